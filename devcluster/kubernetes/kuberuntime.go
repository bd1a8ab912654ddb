package kuberuntime

import "os"

// Two kubelets on one machine need a folder each: a kubelet deletes the logs of pods that it does not know.
var (
	podLogsRootDirectory   = folderFrom("DEVCLUSTER_POD_LOGS", "/var/log/pods")
	legacyContainerLogsDir = folderFrom("DEVCLUSTER_CONTAINER_LOGS", "/var/log/containers")
)

func folderFrom(variable, otherwise string) string {
	if folder := os.Getenv(variable); folder != "" {
		return folder
	}
	return otherwise
}
