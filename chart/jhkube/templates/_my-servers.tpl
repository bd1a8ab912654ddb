{{- define "jhkube.myServers" -}}
{{ include "jhkube.fullname" . }}-my-servers
{{- end }}

{{- /*
What the service "My servers" may do: `pods` in the namespaces of servers, `cluster` for what belongs to no namespace. A
test compares it with jhkube/checks/permissions.py, which has the reason for each verb.
*/}}
{{- define "jhkube.myServersRules" -}}
pods:
  - apiGroups: [""]
    resources: [pods]
    verbs: [list, get]
  - apiGroups: [""]
    resources: [pods/log]
    verbs: [get]
  - apiGroups: [""]
    resources: [events]
    verbs: [list]
  - apiGroups: [metrics.k8s.io]
    resources: [pods]
    verbs: [list]
  - apiGroups: [""]
    resources: [persistentvolumeclaims]
    verbs: [list, patch, delete{{ if .Values.myServers.ownDisks }}, create{{ end }}]
  {{- if .Values.myServers.secrets }}
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get, create, update]
  # Secrets are made and deleted, and never read: there is no `get` and no `list`.
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create, delete]
  {{- end }}
cluster:
  - apiGroups: [storage.k8s.io]
    resources: [storageclasses]
    verbs: [list]
{{- if .Values.roles.rightsReviews.enabled }}
  - apiGroups: [authorization.k8s.io]
    resources: [subjectaccessreviews]
    verbs: [create]
{{- end }}
{{- end }}
