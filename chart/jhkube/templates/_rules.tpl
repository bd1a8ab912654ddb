{{- /*
The rules of the hub's Roles by feature: `pods` are for the namespaces of servers, `cluster` for what belongs to no
namespace. A test compares them with jhkube/checks/permissions.py, which has the reason for each verb.
*/}}
{{- define "jhkube.rules" -}}
servers:
  pods:
    - apiGroups: [""]
      resources: [pods]
      verbs: [list, watch, create, delete]
    - apiGroups: [""]
      resources: [events]
      verbs: [list, watch]
    - apiGroups: [""]
      resources: [secrets]
      verbs: [create, delete]
    # `get` is for claims that an older KubeSpawner has made, `delete` for `delete_pvc`.
    - apiGroups: [""]
      resources: [persistentvolumeclaims]
      verbs: [list, watch, create, get, delete]
tokenRenewal:
  pods:
    - apiGroups: [""]
      resources: [secrets]
      verbs: [patch]
    # A new annotation of the pod has kubelet bring the Secret's files up to date at once.
    - apiGroups: [""]
      resources: [pods]
      verbs: [patch]
growingHomes:
  pods:
    - apiGroups: [""]
      resources: [persistentvolumeclaims]
      verbs: [patch]
  cluster:
    - apiGroups: [storage.k8s.io]
      resources: [storageclasses]
      verbs: [get]
failedLogs:
  pods:
    - apiGroups: [""]
      resources: [pods/log]
      verbs: [get]
ownSecrets:
  pods:
    # The names of a person's secrets, and no values; `delete` when the person is deleted.
    - apiGroups: [""]
      resources: [configmaps]
      verbs: [get, delete]
homeLeases:
  pods:
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      verbs: [get, create, update]
podDefaults:
  pods:
    - apiGroups: [kubeflow.org]
      resources: [poddefaults]
      verbs: [list]
imageMarks:
  cluster:
    - apiGroups: [""]
      resources: [nodes]
      verbs: [list, watch]
services:
  pods:
    - apiGroups: [""]
      resources: [services]
      verbs: [get, create, delete]
internalSsl:
  pods:
    - apiGroups: [""]
      resources: [services]
      verbs: [get, create, delete]
    - apiGroups: [""]
      resources: [secrets]
      verbs: [get]
userNamespaces:
  cluster:
    - apiGroups: [""]
      resources: [namespaces]
      verbs: [create, get]
rightsReviews:
  cluster:
    - apiGroups: [authorization.k8s.io]
      resources: [subjectaccessreviews]
      verbs: [create]
quotas:
  cluster:
    - apiGroups: [""]
      resources: [resourcequotas]
      verbs: [create, update, delete]
{{- end }}
