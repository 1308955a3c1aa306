{{- /* The settings of `run` as environment variables. An empty value leaves its variable out: the operator's own default holds. */}}
{{- define "bedrock-throughput-operator.env" -}}
{{- $ownNamespace := and (eq (len .Values.watchNamespaces) 1) (eq (toString (first .Values.watchNamespaces)) .Release.Namespace) }}
{{- with .Values }}
{{- if $ownNamespace }}
- name: BTO_WATCH_NAMESPACES
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- else if .watchNamespaces }}
- name: BTO_WATCH_NAMESPACES
  value: {{ join "," .watchNamespaces | quote }}
{{- end }}
{{- with .clusterName }}
- name: BTO_CLUSTER_NAME
  value: {{ . | quote }}
{{- end }}
{{- if .allowCreate }}
- name: BTO_ALLOW_CREATE
  value: "true"
{{- end }}
{{- if .allowDelete }}
- name: BTO_ALLOW_DELETE
  value: "true"
{{- end }}
{{- with .defaultInterval }}
- name: BTO_DEFAULT_INTERVAL
  value: {{ . | quote }}
{{- end }}
{{- with .concurrency }}
- name: BTO_CONCURRENCY
  value: {{ . | int | quote }}
{{- end }}
{{- with .aws.timeout }}
- name: BTO_AWS_TIMEOUT
  value: {{ . | quote }}
{{- end }}
{{- with .aws.readLag }}
- name: BTO_READ_LAG
  value: {{ . | quote }}
{{- end }}
{{- with .aws.readLimit }}
- name: BTO_AWS_READ_LIMIT
  value: {{ . | quote }}
{{- end }}
{{- with .aws.changeLimit }}
- name: BTO_AWS_CHANGE_LIMIT
  value: {{ . | quote }}
{{- end }}
{{- with .log.format }}
- name: BTO_LOG_FORMAT
  value: {{ . | quote }}
{{- end }}
{{- with .log.level }}
- name: BTO_LOG_LEVEL
  value: {{ . | quote }}
{{- end }}
{{- if .log.levelConfigMap }}
- name: BTO_LOG_LEVEL_FILE
  value: /etc/bedrock-throughput-operator/log/log-level
{{- end }}
- name: BTO_HTTP_ADDR
  value: {{ printf "%s:%d" .http.address (int .http.port) | quote }}
{{- if .metrics.secure.enabled }}
- name: BTO_METRICS_SECURE_ADDR
  value: {{ printf "%s:%d" .metrics.secure.address (int .metrics.secure.port) | quote }}
{{- if .metrics.secure.certificateSecret }}
- name: BTO_METRICS_TLS_CERT_DIR
  value: /etc/bedrock-throughput-operator/metrics-tls
{{- end }}
{{- end }}
{{- with .aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .aws.endpointUrl }}
- name: AWS_ENDPOINT_URL_BEDROCK
  value: {{ . | quote }}
{{- end }}
{{- with .aws.stsEndpointUrl }}
- name: AWS_ENDPOINT_URL_STS
  value: {{ . | quote }}
{{- end }}
{{- with .aws.roleSessionName }}
- name: AWS_ROLE_SESSION_NAME
  value: {{ . | quote }}
{{- end }}
{{- if .aws.useFipsEndpoint }}
- name: AWS_USE_FIPS_ENDPOINT
  value: "true"
{{- end }}
{{- if .aws.useDualstackEndpoint }}
- name: AWS_USE_DUALSTACK_ENDPOINT
  value: "true"
{{- end }}
{{- with .traces.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
{{- with .Values.leaderElection }}
- name: BTO_LEADER_ELECT
  value: "true"
- name: BTO_LEADER_ELECT_RESOURCE_NAME
  value: {{ include "bedrock-throughput-operator.leaseName" $ | quote }}
{{- with .resourceNamespace }}
- name: BTO_LEADER_ELECT_RESOURCE_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- with .leaseDuration }}
- name: BTO_LEADER_ELECT_LEASE_DURATION
  value: {{ . | quote }}
{{- end }}
{{- with .renewDeadline }}
- name: BTO_LEADER_ELECT_RENEW_DEADLINE
  value: {{ . | quote }}
{{- end }}
{{- with .retryPeriod }}
- name: BTO_LEADER_ELECT_RETRY_PERIOD
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "bedrock-throughput-operator.leaseName" -}}
{{- default (include "bedrock-throughput-operator.fullname" .) .Values.leaderElection.resourceName }}
{{- end }}
