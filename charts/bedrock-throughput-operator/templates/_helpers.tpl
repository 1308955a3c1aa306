{{- define "bedrock-throughput-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "bedrock-throughput-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What a Deployment selects by cannot be changed later: nothing else belongs here. */}}
{{- define "bedrock-throughput-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bedrock-throughput-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* The pod of `helm test`. */}}
{{- define "bedrock-throughput-operator.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "bedrock-throughput-operator.name" .) | trunc 63 | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "bedrock-throughput-operator.labels" -}}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- toYaml . }}
{{ end }}
{{- include "bedrock-throughput-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "bedrock-throughput-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "bedrock-throughput-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "bedrock-throughput-operator.image" -}}
{{- with .Values.image }}
{{- $tag := default $.Chart.AppVersion .tag }}
{{- if .digest }}{{ .repository }}:{{ $tag }}@{{ .digest }}{{ else }}{{ .repository }}:{{ $tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "bedrock-throughput-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "bedrock-throughput-operator.serviceAccountName" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{- /* Where a monitor scrapes: the endpoint's part that says port, scheme and how to be let in. */}}
{{- define "bedrock-throughput-operator.endpoint" -}}
{{- $monitor := .monitor }}
port: {{ ternary "metrics" "http" .root.Values.metrics.secure.enabled }}
path: /metrics
# The labels `namespace` and `name` of a metric are those of an object, not of the operator's pod.
honorLabels: true
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with $monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.metrics.secure.enabled }}
scheme: https
tlsConfig:
  {{- if .root.Values.metrics.secure.certificateSecret }}
  serverName: {{ printf "%s.%s.svc" (include "bedrock-throughput-operator.fullname" .root) .root.Release.Namespace | quote }}
  ca:
    secret:
      name: {{ .root.Values.metrics.secure.certificateSecret | quote }}
      key: ca.crt
  {{- else }}
  # Each pod has a certificate of its own making.
  insecureSkipVerify: true
  {{- end }}
{{- with $monitor.authorization }}
authorization:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What the schema cannot say. */}}
{{- define "bedrock-throughput-operator.validate" -}}
{{- $fullname := include "bedrock-throughput-operator.fullname" . }}
{{- with .Values }}
{{- $named := dict }}
{{- range .extraEnv }}
{{- $_ := set $named .name true }}
{{- end }}
{{- if and .watchNamespaces (not .clusterName) (not (hasKey $named "BTO_CLUSTER_NAME")) }}
{{- fail "watchNamespaces needs clusterName: without a ClusterRole the operator cannot read the uid of the namespace kube-system, by which it tells this cluster from others in the tags of throughput. Set clusterName to a name that no other cluster has." }}
{{- end }}
{{- if and (gt (int .replicaCount) 1) (not .leaderElection.enabled) }}
{{- fail (printf "replicaCount %d needs leaderElection.enabled: without a leader all pods would work at the same time. Set replicaCount to 1, or leaderElection.enabled to true." (int .replicaCount)) }}
{{- end }}
{{- if and .watchNamespaces .metrics.secure.enabled .metrics.secure.createClusterRoles .rbac.create }}
{{- fail (printf "metrics.secure.enabled needs rights for the whole cluster, which an installation with watchNamespaces does not make. Set metrics.secure.createClusterRoles to false, and let somebody who may bind the ClusterRole system:auth-delegator to the ServiceAccount %s/%s." $.Release.Namespace (include "bedrock-throughput-operator.serviceAccountName" $)) }}
{{- end }}
{{- if and .metrics.secure.enabled (eq (int .metrics.secure.port) (int .http.port)) }}
{{- fail (printf "metrics.secure.port and http.port are both %d: they need ports of their own." (int .http.port)) }}
{{- end }}
{{- if and .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true: each pod would be scraped twice. Set one of them to false." }}
{{- end }}
{{- if and .metrics.serviceMonitor.enabled (not .service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled needs service.enabled. Set it to true, or use metrics.podMonitor." }}
{{- end }}
{{- if and .metrics.podMonitor.enabled .metrics.secure.enabled (not .metrics.podMonitor.authorization) }}
{{- fail "metrics.podMonitor.enabled with metrics.secure.enabled needs metrics.podMonitor.authorization: a PodMonitor cannot show the token of Prometheus's own ServiceAccount. Name a Secret with a token there, or use metrics.serviceMonitor." }}
{{- end }}
{{- range .exportTo.namespaces }}
{{- if and $.Values.exportTo.enabled $.Values.watchNamespaces (not (has . $.Values.watchNamespaces)) }}
{{- fail (printf "exportTo.namespaces has %s, which is not one of watchNamespaces: nothing would be exported there." .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
