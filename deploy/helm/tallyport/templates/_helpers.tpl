{{- define "tallyport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Names end in at most 22 characters more. */}}
{{- define "tallyport.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "tallyport.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tallyport.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What each Deployment is: the key of its values, its image, what it is to the database and the
broker, the port of its pages, its queue, and the number of the broker's node that it begins with. */}}
{{- define "tallyport.components" -}}
gateway: {key: gateway, image: gateway, who: gateway, port: 8080, objectStore: true, node: 0}
report-worker-small: {key: reportWorkerSmall, image: report_worker, who: report_worker, port: 9090, queue: tallyport.report.build.small, objectStore: true, replica: true, node: 1}
report-worker-large: {key: reportWorkerLarge, image: report_worker, who: report_worker, port: 9090, queue: tallyport.report.build.large, objectStore: true, replica: true, node: 2}
aggregator: {key: aggregator, image: aggregator, who: aggregator, port: 9090, queue: tallyport.aggregate.query, replica: true, node: 2}
recorder: {key: recorder, image: recorder, who: recorder, port: 9090, queue: tallyport.record, node: 0}
{{- end -}}

{{- define "tallyport.selector" -}}
app.kubernetes.io/name: {{ include "tallyport.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tallyport.labels" -}}
{{ include "tallyport.selector" . }}
app.kubernetes.io/part-of: tallyport
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tallyport.image" -}}
{{- with .root.Values.image.registry }}{{ . }}/{{ end -}}
{{ .root.Values.image.repository }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "tallyport.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "tallyport.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* Addresses. `$(PASSWORD)` is put in by Kubernetes, from the variable that stands before. */}}
{{- define "tallyport.databaseUrl" -}}
{{- $database := .root.Values.database -}}
postgresql://tallyport_{{ .who }}:$(PASSWORD)@{{ .host | default $database.host }}:{{ .port | default $database.port }}/{{ $database.name }}
{{- with $database.parameters }}?{{ . }}{{ end -}}
{{- end -}}

{{- define "tallyport.brokerUrl" -}}
{{- $broker := .root.Values.broker -}}
{{- $count := len $broker.hosts -}}
{{- $urls := list -}}
{{- range $number := until $count -}}
{{- $host := index $broker.hosts (mod (add $number $.node) $count | int) -}}
{{- $vhost := $broker.vhost | replace "%" "%25" | replace "/" "%2F" -}}
{{- $path := ternary "" $vhost (eq $broker.vhost "/") -}}
{{- $query := ternary (printf "?%s" $broker.parameters) "" (ne $broker.parameters "") -}}
{{- $urls = append $urls (printf "%s://%s:$(PASSWORD)@%s/%s%s" $broker.scheme $.who $host $path $query) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}

{{- define "tallyport.password" -}}
- name: PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .root.Values.existingSecret }}, key: {{ .who | replace "_" "-" }}-password}}
{{- end -}}

{{/* Nobody's rights: not root, nothing to write to but a scratch, no capability. */}}
{{- define "tallyport.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tallyport.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* One of several Jobs that run before anything else: its metadata and what all of them are. */}}
{{- define "tallyport.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "tallyport.caVolume" -}}
{{- with .Values.caBundle.configMap }}
- name: ca
  configMap: {name: {{ . }}}
{{- end }}
{{- end -}}

{{- define "tallyport.caMount" -}}
{{- if .Values.caBundle.configMap }}
- {name: ca, mountPath: /etc/tallyport/ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "tallyport.caVariable" -}}
{{- if .Values.caBundle.configMap }}
- {name: SSL_CERT_FILE, value: /etc/tallyport/ca/{{ .Values.caBundle.key }}}
{{- end }}
{{- end -}}
