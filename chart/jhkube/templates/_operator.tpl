{{- define "jhkube.operator" -}}
{{ include "jhkube.fullname" . }}-operator
{{- end }}

{{- /* Where the operator works, as JSON; nothing for all namespaces. */}}
{{- define "jhkube.operatorNamespaces" -}}
{{- if not .Values.operator.allNamespaces }}
{{- .Values.operator.namespaces | default (list .Release.Namespace) | toJson }}
{{- end }}
{{- end }}

{{- /*
What the operator may do where it works. A test compares it with jhkube/checks/account_permissions.py, which has the
reason for each verb. Takes the values of the operator, and as `peerings` the resource by which operators agree on who
works.
*/}}
{{- define "jhkube.operatorRules" -}}
{{- if .operator.notebooks.enabled }}
- apiGroups: [squonk.it]
  resources: [jupyternotebooks]
  verbs: [list, watch]
- apiGroups: [squonk.it]
  resources: [jupyternotebooks/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, update]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch, create, update, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, update, delete]
# Not to read them: what it has written, it makes again.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [pods, persistentvolumeclaims]
  verbs: [list, watch]
{{- end }}
{{- if .operator.servers.enabled }}
# To patch them is to have a server stopped before its resource goes: a finalizer.
- apiGroups: [jhkube.dev]
  resources: [jupyterservers]
  verbs: [list, watch, patch]
- apiGroups: [jhkube.dev]
  resources: [jupyterservers/status]
  verbs: [patch]
{{- end }}
- apiGroups: [kopf.dev]
  resources: [{{ .peerings }}]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [{{ if .operator.notebooks.enabled }}list, watch, {{ end }}create]
{{- end }}
