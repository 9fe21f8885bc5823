// One program that is a whole Kubernetes, for tests: by the name it is called by, or by its first word, it is the API server, the
// controller manager, the scheduler, the kubelet, kube-proxy or kubectl (with kustomize). One link instead of six, and each package
// of theirs is built once.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Made only when asked for: each registers its feature gates and metrics as if it were alone in the process.
var programs = map[string]func(context.Context) *cobra.Command{
	"kube-apiserver":          func(context.Context) *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": func(context.Context) *cobra.Command { return controllers.NewControllerManagerCommand() },
	"kube-scheduler":          func(context.Context) *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 kubelet.NewKubeletCommand,
	"kube-proxy":              func(context.Context) *cobra.Command { return proxy.NewProxyCommand() },
	"kubectl":                 func(context.Context) *cobra.Command { return kubectl.NewDefaultKubectlCommand() },
}

func main() {
	name := filepath.Base(os.Args[0])
	make, found := programs[name]
	if !found && len(os.Args) > 1 {
		if make, found = programs[os.Args[1]]; found {
			name = os.Args[1]
			os.Args = append([]string{name}, os.Args[2:]...)
		}
	}
	if !found {
		names := []string{}
		for name := range programs {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: %s PROGRAM [ARGUMENT…]    PROGRAM: %s; or call it by one of these names\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	command := make(context.Background())
	if name == "kubectl" {
		if err := cli.RunNoErrOutput(command); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Run(command))
}
