{{- define "slotd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{- .Release.Name | trunc 50 | trimSuffix "-" -}}{{- else -}}{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "slotd.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "slotd.labels" -}}
{{ include "slotd.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "slotd.metadata" -}}
namespace: {{ .Release.Namespace }}
labels: {{- include "slotd.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The name of an image: (dict "of" .Values.image "global" .Values.global) */}}
{{- define "slotd.image" -}}
{{- $registry := default .of.registry .global.imageRegistry -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .of.repository }}{{ if .of.digest }}@{{ .of.digest }}{{ else }}:{{ .of.tag }}{{ end }}
{{- end -}}

{{- define "slotd.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "slotd.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end -}}

{{/* Whether a Secret holds the password, its name, and its key. */}}
{{- define "slotd.hasSecret" -}}
{{- if and .Values.usePassword (not .Values.passwordFile) }}yes{{ end }}
{{- end -}}
{{- define "slotd.secretName" -}}
{{- default (include "slotd.fullname" .) .Values.existingSecret }}
{{- end -}}
{{- define "slotd.secretKey" -}}
{{- if .Values.existingSecret }}{{ default "redis-password" .Values.existingSecretPasswordKey }}{{ else }}redis-password{{ end }}
{{- end -}}

{{/* Where the exporter's init container puts the password, if there is one to put. */}}
{{- define "slotd.metricsFile" -}}
{{- if and .Values.metrics.enabled (include "slotd.hasSecret" .) }}/run/metrics/passwords.json{{ end }}
{{- end -}}

{{/* Namespaces and pods that read the metrics. Without a word on either: Prometheus in the namespace monitoring. */}}
{{- define "slotd.metricsNamespace" -}}
{{- default (dict "kubernetes.io/metadata.name" "monitoring") .Values.networkPolicy.metrics.ingressNSMatchLabels | toYaml }}
{{- end -}}
{{- define "slotd.metricsPods" -}}
{{- $values := .Values.networkPolicy.metrics -}}
{{- if $values.ingressNSPodMatchLabels }}{{ toYaml $values.ingressNSPodMatchLabels }}{{ else if not $values.ingressNSMatchLabels }}app.kubernetes.io/name: prometheus{{ end }}
{{- end -}}

{{/* With a ServiceMonitor, without those by which Prometheus would read the same exporter once more. */}}
{{- define "slotd.metricsAnnotations" -}}
{{- $annotations := .Values.metrics.podAnnotations -}}
{{- if .Values.metrics.serviceMonitor.enabled -}}
{{- range $name, $_ := $annotations -}}
{{- if hasPrefix "prometheus.io/" $name }}{{ $annotations = omit $annotations $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $annotations }}
{{- end -}}

{{/* slotd-0.slotd-headless,slotd-1.slotd-headless,... */}}
{{- define "slotd.nodes" -}}
{{- $name := include "slotd.fullname" . -}}
{{- $nodes := list -}}
{{- range $i := until (int .Values.cluster.nodes) -}}{{- $nodes = append $nodes (printf "%s-%d.%s-headless" $name $i $name) -}}{{- end -}}
{{- join "," $nodes -}}
{{- end -}}

{{/* What cannot be done is refused before anything is. */}}
{{- define "slotd.check" -}}
{{- $shards := div (int .Values.cluster.nodes) (add1 (int .Values.cluster.replicas)) -}}
{{- if lt $shards 3 }}{{ fail (printf "cluster.nodes=%d with cluster.replicas=%d makes %d primaries: a cluster needs at least three. Raise cluster.nodes to %d, or lower cluster.replicas" (int .Values.cluster.nodes) (int .Values.cluster.replicas) $shards (mul 3 (add1 (int .Values.cluster.replicas)))) }}{{ end -}}
{{- if .Values.tls.enabled }}{{ fail "tls.enabled: slotd has no TLS yet. Let a mesh encrypt the connections, or leave it out" }}{{ end -}}
{{- if and .Values.metrics.enabled .Values.passwordFile (not .Values.metrics.extraEnvVars) }}{{ fail (printf "metrics.enabled and passwordFile: the exporter does not read that file. Have a second one made, {\"redis://127.0.0.1:%v\":\"PASSWORD\"}, and name it as REDIS_PASSWORD_FILE in metrics.extraEnvVars" .Values.redis.containerPorts.redis) }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.dnsPeers) }}{{ fail "networkPolicy.dnsPeers is empty: that would be everybody. Name the cluster's DNS, without which the nodes do not find each other" }}{{ end -}}
{{- if .Values.metrics.prometheusRule.enabled }}{{ fail "metrics.prometheusRule.enabled: not supported. Put the rule into extraDeploy" }}{{ end -}}
{{- if .Values.cluster.externalAccess.enabled }}{{ fail "cluster.externalAccess.enabled: not supported. Clients run in the Kubernetes cluster" }}{{ end -}}
{{- if has (toString .Values.redis.useAOFPersistence) (list "yes" "true") }}{{ fail "redis.useAOFPersistence: slotd has no append-only file. It keeps snapshots, and WAIT 1 keeps a write on a replica: set it to \"no\"" }}{{ end -}}
{{- if and .Values.usePassword .Values.passwordFile (or .Values.password .Values.existingSecret .Values.global.redis.password) }}{{ fail "passwordFile and password or existingSecret: say one of them" }}{{ end -}}
{{- if ne .Values.redis.podManagementPolicy "Parallel" }}{{ fail "redis.podManagementPolicy: only Parallel forms a cluster. A node is ready when all are; one after the other they would wait for ever" }}{{ end -}}
{{- if ne (int .Values.redis.containerPorts.bus) (add (int .Values.redis.containerPorts.redis) 10000 | int) }}{{ fail "redis.containerPorts.bus must be redis.containerPorts.redis + 10000" }}{{ end -}}
{{- end -}}
