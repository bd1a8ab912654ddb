// Command volumes is a CSI driver whose volumes are folders of one node: the smallest that makes, mounts, grows and
// deletes them. It is a program of its own, as its libraries and the kubelet's name the same feature differently.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"jhkube/devcluster/clients"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	"k8s.io/mount-utils"
)

// driverName is what StorageClass and CSIDriver call the driver.
const driverName = "folders.devcluster"

// folders answers the calls of kubelet and resizer.
type folders struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	root, node string
	mounter    mount.Interface
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "volumes:", err)
		os.Exit(1)
	}
}

// run serves the driver to the kubelet, and makes, grows and deletes volumes as claims ask for it.
func run() error {
	driver := &folders{mounter: mount.New("")}
	flags := flag.NewFlagSet("volumes", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	kubelet := flags.String("kubelet", "", "the kubelet's root folder")
	flags.StringVar(&driver.root, "root", "", "the folder of the volumes")
	flags.StringVar(&driver.node, "node", "", "the node's name")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	socket := filepath.Join(*kubelet, "plugins", driverName, "csi.sock")
	failed := make(chan error, 3)
	for path, register := range map[string]func(*grpc.Server){
		socket: func(server *grpc.Server) {
			csi.RegisterIdentityServer(server, driver)
			csi.RegisterControllerServer(server, driver)
			csi.RegisterNodeServer(server, driver)
		},
		filepath.Join(*kubelet, "plugins_registry", driverName+"-reg.sock"): func(server *grpc.Server) {
			registration.RegisterRegistrationServer(server, &registrar{socket: socket})
		},
	} {
		go func() { failed <- serve(path, register) }()
	}
	client, err := clients.Of(*kubeconfig)
	if err != nil {
		return err
	}
	go func() { failed <- driver.followClaims(client, socket) }()
	return <-failed
}

func serve(path string, register func(*grpc.Server)) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	register(server)
	return server.Serve(listener)
}

// registrar tells the kubelet where the driver is.
type registrar struct {
	registration.UnsafeRegistrationServer
	socket string
}

func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: driverName, Endpoint: r.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrar) NotifyRegistrationStatus(
	_ context.Context, said *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !said.PluginRegistered {
		fmt.Fprintln(os.Stderr, "the kubelet does not take the driver:", said.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (f *folders) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: "1"}, nil
}

func (f *folders) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service_{
		Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE},
	}
	growing := &csi.PluginCapability_VolumeExpansion_{
		VolumeExpansion: &csi.PluginCapability_VolumeExpansion{Type: csi.PluginCapability_VolumeExpansion_ONLINE},
	}
	return &csi.GetPluginCapabilitiesResponse{
		Capabilities: []*csi.PluginCapability{{Type: service}, {Type: growing}},
	}, nil
}

func (f *folders) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (f *folders) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	growing := &csi.ControllerServiceCapability_Rpc{
		Rpc: &csi.ControllerServiceCapability_RPC{Type: csi.ControllerServiceCapability_RPC_EXPAND_VOLUME},
	}
	return &csi.ControllerGetCapabilitiesResponse{
		Capabilities: []*csi.ControllerServiceCapability{{Type: growing}},
	}, nil
}

// ControllerExpandVolume has nothing to do: a folder has the room of its disk, whatever its claim says.
func (f *folders) ControllerExpandVolume(
	_ context.Context, asked *csi.ControllerExpandVolumeRequest,
) (*csi.ControllerExpandVolumeResponse, error) {
	if _, err := f.folder(asked.VolumeId); err != nil {
		return nil, err
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: asked.CapacityRange.GetRequiredBytes()}, nil
}

func (f *folders) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: f.node}, nil
}

func (f *folders) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	usage := &csi.NodeServiceCapability_Rpc{
		Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_GET_VOLUME_STATS},
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{Type: usage}}}, nil
}

func (f *folders) NodePublishVolume(
	_ context.Context, asked *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	folder, err := f.folder(asked.VolumeId)
	if err != nil {
		return nil, err
	}
	if asked.VolumeCapability.GetMount() == nil {
		return nil, status.Error(codes.InvalidArgument, "this driver has no block volumes")
	}
	if err := os.MkdirAll(asked.TargetPath, 0o750); err != nil {
		return nil, err
	}
	mounted, err := f.mounter.IsMountPoint(asked.TargetPath)
	if err != nil {
		return nil, err
	}
	if mounted {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	how := []string{"bind"}
	if asked.Readonly {
		how = append(how, "ro")
	}
	if err := f.mounter.Mount(folder, asked.TargetPath, "", how); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (f *folders) NodeUnpublishVolume(
	_ context.Context, asked *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := mount.CleanupMountPoint(asked.TargetPath, f.mounter, true); err != nil {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (f *folders) NodeGetVolumeStats(
	_ context.Context, asked *csi.NodeGetVolumeStatsRequest,
) (*csi.NodeGetVolumeStatsResponse, error) {
	var found unix.Statfs_t
	if err := unix.Statfs(asked.VolumePath, &found); err != nil {
		return nil, status.Errorf(codes.NotFound, "%s: %v", asked.VolumePath, err)
	}
	size := int64(found.Bsize)
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{{
		Unit:      csi.VolumeUsage_BYTES,
		Total:     int64(found.Blocks) * size,
		Available: int64(found.Bavail) * size,
		Used:      int64(found.Blocks-found.Bfree) * size,
	}}}, nil
}

// folder returns a volume's folder; a volume's name is no path to anywhere else.
func (f *folders) folder(name string) (string, error) {
	if name == "" || name != filepath.Base(name) || name == ".." {
		return "", status.Errorf(codes.InvalidArgument, "%q is not the name of a volume", name)
	}
	path := filepath.Join(f.root, name)
	if _, err := os.Stat(path); err != nil {
		return "", status.Errorf(codes.NotFound, "there is no volume %s", name)
	}
	return path, nil
}
