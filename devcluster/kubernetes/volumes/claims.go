package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/kubernetes-csi/csi-lib-utils/metrics"
	resizing "github.com/kubernetes-csi/external-resizer/v2/pkg/controller"
	csiclient "github.com/kubernetes-csi/external-resizer/v2/pkg/csi"
	"github.com/kubernetes-csi/external-resizer/v2/pkg/resizer"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	provisioning "sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// followClaims makes, grows and deletes volumes until it fails.
func (f *folders) followClaims(client kubernetes.Interface, socket string) error {
	ctx := context.Background()
	driver, err := csiclient.New(ctx, socket, time.Minute, metrics.NewCSIMetricsManager(driverName))
	if err != nil {
		return err
	}
	grower, err := resizer.NewResizerFromClient(driver, time.Minute, client, driverName)
	if err != nil {
		return err
	}
	informers := informers.NewSharedInformerFactory(client, 10*time.Minute)
	again := workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute)
	growth := resizing.NewResizeController(
		driverName, grower, client, 10*time.Minute, informers, again, true, time.Minute)
	informers.Start(ctx.Done())
	go growth.Run(4, ctx, nil)
	provisioning.NewProvisionController(
		ctx, client, driverName, f,
		provisioning.LeaderElection(false),
		provisioning.Threadiness(16),
	).Run(ctx)
	return nil
}

// Provision makes the folder of a claim's volume. Everybody may write to it: a folder has no owner of its own.
func (f *folders) Provision(
	_ context.Context, asked provisioning.ProvisionOptions,
) (*v1.PersistentVolume, provisioning.ProvisioningState, error) {
	path := filepath.Join(f.root, asked.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, provisioning.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, provisioning.ProvisioningFinished, err
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: asked.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *asked.StorageClass.ReclaimPolicy,
			AccessModes:                   asked.PVC.Spec.AccessModes,
			MountOptions:                  asked.StorageClass.MountOptions,
			Capacity: v1.ResourceList{
				v1.ResourceStorage: asked.PVC.Spec.Resources.Requests[v1.ResourceStorage],
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{
				CSI: &v1.CSIPersistentVolumeSource{Driver: driverName, VolumeHandle: asked.PVName},
			},
		},
	}, provisioning.ProvisioningFinished, nil
}

// Delete removes a volume's folder with all that is in it.
func (f *folders) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	path, err := f.folder(volume.Spec.CSI.VolumeHandle)
	if err != nil {
		return nil
	}
	return os.RemoveAll(path)
}
