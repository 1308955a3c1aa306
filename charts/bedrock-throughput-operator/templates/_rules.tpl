{{- /* What the operator may do in each namespace whose objects it works for. It reads no Secret, and changes no spec. */}}
{{- define "bedrock-throughput-operator.rules" -}}
# `patch` is for the finalizer of objects with deletionPolicy: Delete, and for nothing else. RBAC cannot narrow it to
# metadata: there is no subresource for finalizers. Without it such objects are not acted on; all others are.
- apiGroups: [bedrock-throughput.dev]
  resources: [provisionedthroughputs]
  verbs: [list, watch, patch]
- apiGroups: [bedrock-throughput.dev]
  resources: [provisionedthroughputs/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- /* For spec.exportTo. Names are chosen in manifests, so that RBAC cannot know them. The operator changes and deletes only ConfigMaps that it made itself. */}}
{{- define "bedrock-throughput-operator.exportRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, update, delete]
{{- end }}

{{- define "bedrock-throughput-operator.viewRules" -}}
- apiGroups: [bedrock-throughput.dev]
  resources: [provisionedthroughputs, provisionedthroughputs/status]
  verbs: [get, list, watch]
{{- end }}

{{- define "bedrock-throughput-operator.editRules" -}}
- apiGroups: [bedrock-throughput.dev]
  resources: [provisionedthroughputs]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}
