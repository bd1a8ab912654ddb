{{- /* The beginning of all names: the release's, with the chart's if it is not in there. Room for the longest ending. */}}
{{- define "jhkube.fullname" -}}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- .Values.fullnameOverride | default $release | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /*
The name of what is not in the release's namespace. No namespace has a dot in its name, so no two releases share one.
*/}}
{{- define "jhkube.clusterName" -}}
{{ include "jhkube.fullname" .root }}-{{ .ending }}.{{ .root.Release.Namespace }}
{{- end }}

{{- define "jhkube.labels" -}}
app.kubernetes.io/name: jhkube
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "jhkube.hubNamespace" -}}
{{ .Values.hub.namespace | default .Release.Namespace }}
{{- end }}

{{- /*
A Role and its binding; a ClusterRole where no namespace is given. Takes root, name, namespace, rules, and the account's
name and namespace.
*/}}
{{- define "jhkube.role" }}
{{- $kind := ternary "Role" "ClusterRole" (hasKey . "namespace") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "jhkube.labels" .root | nindent 4 }}
rules:
  {{- .rules | toYaml | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "jhkube.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account | quote }}
    namespace: {{ .accountNamespace | quote }}
{{- end }}
