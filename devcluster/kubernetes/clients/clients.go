// Package clients makes clients of the API server for the programs of ours.
package clients

import (
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Of returns a client by what a kubeconfig says.
func Of(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst, config.Timeout = 100, 200, time.Minute
	return kubernetes.NewForConfig(config)
}
