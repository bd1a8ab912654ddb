{{- define "jhkube.prepuller" -}}
{{ include "jhkube.fullname" . }}-prepuller
{{- end }}

{{- define "jhkube.priorityClass" -}}
{{- if .Values.prepuller.priorityClass.create }}
{{- include "jhkube.clusterName" (dict "root" . "ending" "prepull") }}
{{- else }}
{{- .Values.prepuller.priorityClass.name }}
{{- end }}
{{- end }}

{{- /* The prepuller's configuration as JSON: the values, over what the chart knows. */}}
{{- define "jhkube.prepullerConfig" -}}
{{- $known := dict
  "JHKubeSpawner" (dict "namespace" .Release.Namespace)
  "Prepuller" (dict "deployment" (include "jhkube.prepuller" .) "priority_class_name" (include "jhkube.priorityClass" .)) }}
{{- mergeOverwrite $known (deepCopy .Values.prepuller.config) | toPrettyJson }}
{{- end }}

{{- /* What the prepuller may do in the namespace of the servers' pods: a test compares it with jhkube/prepull/prepuller.py. */}}
{{- define "jhkube.prepullerRules" -}}
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [create, delete, list, update, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, delete, update]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get]
{{- end }}
