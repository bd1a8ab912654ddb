package hostpath

import (
	"os"
	"regexp"
)

// provisionedFolder is where new volumes are made, and the only place where a volume is ever deleted.
func provisionedFolder() string {
	if folder := os.Getenv("DEVCLUSTER_VOLUMES"); folder != "" {
		return folder
	}
	return "/tmp/hostpath_pv"
}

func provisionedPattern() string {
	return "^" + regexp.QuoteMeta(provisionedFolder()) + "/.+"
}

// makeVolume makes a folder that a pod may write to under any uid: a host path does not follow fsGroup.
func makeVolume(path string) error {
	if err := os.MkdirAll(path, 0777); err != nil {
		return err
	}
	return os.Chmod(path, 0777)
}
