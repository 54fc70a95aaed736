{{- define "findings-gate.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What pods are selected by. It never changes. */}}
{{- define "findings-gate.selector" -}}
app.kubernetes.io/name: findings-gate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "findings-gate.labels" -}}
{{ include "findings-gate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "findings-gate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* A share of what AWS grants: at least 1. */}}
{{- define "findings-gate.share" -}}
{{ max 1 (div (index . 0) (index . 1)) }}
{{- end }}

{{- define "findings-gate.configuration" -}}
# Made by the chart. Paths are relative to this file.

[listen]
{{- if .Values.secrets.tls }}
address = "0.0.0.0:8443"
tls = { certificate = "tls/tls.crt", key = "tls/tls.key" }
{{- else }}
address = "0.0.0.0:8080"
plaintext = "allowed"
{{- end }}
workers = {{ .Values.workers }}

[admin]
address = "0.0.0.0:8081"

[policies]
{{- if and (empty .Values.packs) (empty .Values.policies) }}
{{- fail "packs and policies are empty: nothing could be decided" }}
{{- end }}
path = {{ concat .Values.packs (empty .Values.policies | ternary (list) (list "policies")) | toJson }}

[accounts]
file = "accounts/accounts.toml"

{{ .Values.identity | trim }}

[upstream]
url = {{ .Values.upstream.url | quote }}
region = {{ .Values.upstream.region | quote }}
{{- with .Values.upstream.regions }}
regions = {{ toJson . }}
{{- end }}
sign = {{ .Values.upstream.sign | quote }}
{{- if eq .Values.upstream.sign "assume-role" }}

[upstream.assume_role]
arn = {{ .Values.upstream.assumeRole.arn | quote }}
{{- with .Values.upstream.assumeRole.externalId }}
external_id = {{ quote . }}
{{- end }}
{{- with .Values.upstream.assumeRole.sourceIdentity }}
source_identity = {{ quote . }}
{{- end }}
{{- end }}

# Of what AWS grants to all replicas together, the share of one of {{ .Values.replicas.max }}.
{{- $most := .Values.replicas.max }}
[quota]
update_rate = {{ include "findings-gate.share" (list 10 $most) }}
update_burst = {{ include "findings-gate.share" (list 30 $most) }}
import_rate = {{ include "findings-gate.share" (list 10 $most) }}
import_burst = {{ include "findings-gate.share" (list 30 $most) }}
get_rate = {{ include "findings-gate.share" (list 3 $most) }}
get_burst = {{ include "findings-gate.share" (list 6 $most) }}

[state]
rate = {{ include "findings-gate.share" (list 3 $most) }}
burst = {{ include "findings-gate.share" (list 6 $most) }}

[doors]
open = {{ toJson .Values.doors }}
page_key = "keys/page.key"

[audit]
stdout = {{ ternary "on" "off" .Values.audit | quote }}

[limits]
body = {{ .Values.limits.body | quote }}
bodies = {{ .Values.limits.bodies | quote }}
connections = {{ .Values.limits.connections }}
drain = "{{ .Values.limits.drain }}s"

[log]
level = {{ .Values.logLevel | quote }}
format = "json"
{{- with .Values.settings }}

{{ trim . }}
{{- end }}
{{- end }}

{{/* All files of the gate in one volume, so that they change at once. */}}
{{- define "findings-gate.volume" -}}
- name: config
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "findings-gate.name" . }}-config
      - configMap:
          name: {{ include "findings-gate.name" . }}-accounts
          items:
            - { key: accounts.toml, path: accounts/accounts.toml }
      {{- if .Values.policies }}
      - configMap:
          name: {{ include "findings-gate.name" . }}-policies
          items:
            {{- range $name, $_ := .Values.policies }}
            - { key: {{ $name }}, path: policies/{{ $name }} }
            {{- end }}
      {{- end }}
      - secret:
          name: {{ .Values.secrets.keys }}
          items:
            - { key: keys.toml, path: keys/keys.toml }
            - { key: page.key, path: keys/page.key }
      {{- with .Values.secrets.tls }}
      - secret:
          name: {{ . }}
          items:
            - { key: tls.crt, path: tls/tls.crt }
            - { key: tls.key, path: tls/tls.key }
      {{- end }}
{{- end }}

{{- define "findings-gate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "findings-gate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
