"""Writes nginx's configuration for services on one machine, from deploy/routes.txt and the ports in the environment."""

import os

from manifest import routes

table = routes()
services = sorted({route.service for route in table})
rest = next(route.service for route in table if route.prefix == "/")  # who takes what nobody else does


def port(kind: str, service: str) -> str:
    return os.environ[f"{kind}_{service.replace('-', '_').upper()}"]


upstreams = "\n".join(f"  upstream {s.replace('-', '_')} {{ server 127.0.0.1:{port('OTTO_PORT', s)} max_fails=0; keepalive 64; }}" for s in services)
mapping = "\n".join(f'    "{route.pattern()}" {route.service.replace("-", "_")};' for route in table)
admin = port("OTTO_ADMIN_PORT", rest)
# Started by root, its workers would be nobody's and could not write large bodies into the run directory.
user = "user root;\n" if os.geteuid() == 0 else ""
away = '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The service behind this path does not answer; try again."}'
print(f"""daemon off;
error_log stderr emerg;
{user}pid nginx.pid;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  # No log holds a request's query or a link under /media: below emerg, which is about no request, each line of nginx's error log repeats both, and the address they went on to.
  # What a service could not answer stands in deploy/status and in its own log.
  access_log off;
  server_tokens off;
  client_max_body_size 33m;
  client_body_buffer_size 1m;
  large_client_header_buffers 8 32k;
  merge_slashes off;
  keepalive_timeout 75s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{upstreams}
  map "$request_method $request_uri" $otto_service {{
{mapping}
    default {rest.replace("-", "_")};
  }}
  server {{
    listen 127.0.0.1:{os.environ['OTTO_PORT']} backlog=4096;
    location / {{
      proxy_pass http://$otto_service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_read_timeout 65s;
      proxy_request_buffering on;
    }}
    # A service that is away, or too slow: as Otto says it, so that providers try again.
    error_page 502 504 =503 @away;
    location @away {{
      internal;
      default_type application/problem+json;
      add_header Retry-After 1 always;
      return 503 '{away}';
    }}
  }}
  server {{
    listen 127.0.0.1:{os.environ['OTTO_ADMIN_PORT']};
    location = /healthz {{ return 200 "ok\\n"; }}
    location = /readyz {{ proxy_pass http://127.0.0.1:{admin}; }}
    location = /metrics {{ proxy_pass http://127.0.0.1:{admin}; }}
  }}
}}""")
