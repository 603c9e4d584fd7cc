"""What the variables of nginx and the directives of Apache say of a request, as their documentations have them."""

from __future__ import annotations

import re
from typing import NamedTuple


class Meaning(NamedTuple):
    """What one value says.

    Attributes:
        field: our name of it; empty where a report has no use for it.
        form: how it is written: a time as `iso`, `s`, `ms`, `us` or a form of strptime, a duration by its unit.
        rank: of several values that say the same, the lowest is read.
    """

    field: str = ""
    form: str = ""
    rank: int = 0


SAYS_NOTHING = Meaning()
CLF_TIME = "%d/%b/%Y:%H:%M:%S %z"

# Every variable of the modules of nginx, the commercial ones too (https://nginx.org/en/docs/varindex.html).
NGINX = frozenset(
    re.findall(
        r"\w+",
        """
    acme_certificate acme_certificate_key ancient_browser args binary_remote_addr body_bytes_sent bytes_sent
    connection connection_requests connection_time content_length content_type date_gmt date_local document_root
    document_uri fastcgi_path_info fastcgi_script_name geoip_area_code geoip_city geoip_city_continent_code
    geoip_city_country_code geoip_city_country_code3 geoip_city_country_name geoip_country_code
    geoip_country_code3 geoip_country_name geoip_dma_code geoip_latitude geoip_longitude geoip_org
    geoip_postal_code geoip_region geoip_region_name gzip_ratio host hostname http2 http3 https invalid_referer
    is_args is_request_port jwt_payload limit_conn_status limit_rate limit_req_status memcached_key
    modern_browser msec msie nginx_version oidc_access_token oidc_id_token oidc_userinfo otel_parent_id
    otel_parent_sampled otel_span_id otel_trace_id pid pipe proxy_add_x_forwarded_for proxy_host proxy_port
    proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port
    proxy_protocol_tlv_aws_vpce_id proxy_protocol_tlv_azure_pel_id proxy_protocol_tlv_gcp_conn_id query_string
    realip_remote_addr realip_remote_port realpath_root remote_addr remote_port remote_user request request_body
    request_body_file request_completion request_filename request_id request_length request_method request_port
    request_time request_uri scheme secure_link secure_link_expires server_addr server_name server_port
    server_protocol session_log_binary_id session_log_id slice_range ssl_alpn_protocol ssl_cipher ssl_ciphers
    ssl_client_cert ssl_client_escaped_cert ssl_client_fingerprint ssl_client_i_dn ssl_client_i_dn_legacy
    ssl_client_raw_cert ssl_client_s_dn ssl_client_s_dn_legacy ssl_client_serial ssl_client_sigalg
    ssl_client_v_end ssl_client_v_remain ssl_client_v_start ssl_client_verify ssl_curve ssl_curves ssl_early_data
    ssl_ech_outer_server_name ssl_ech_status ssl_protocol ssl_server_name ssl_session_id ssl_session_reused
    ssl_sigalg ssl_sigalgs status time_iso8601 time_iso8601_ms time_local uid_got uid_reset uid_set upstream_addr
    upstream_bytes_received upstream_bytes_sent upstream_cache_status upstream_connect_time upstream_header_time
    upstream_last_addr upstream_last_server_name upstream_queue_time upstream_response_length
    upstream_response_time upstream_status uri
        """,
    )
)
# What ingress-nginx sets beside them (its documentation, user guide, log format).
INGRESS = frozenset(
    (
        "ingress_name",
        "location_path",
        "namespace",
        "proxy_alternative_upstream_name",
        "proxy_upstream_name",
        "service_name",
        "service_port",
        "the_real_ip",
    )
)
# Variables whose names end in a name of the site's own: a header, a cookie, an argument.
NGINX_FAMILIES = (
    "arg_",
    "cookie_",
    "http_",
    "jwt_claim_",
    "jwt_header_",
    "oidc_claim_",
    "proxy_protocol_tlv_",
    "sent_http_",
    "sent_trailer_",
    "tcpinfo_",
    "upstream_cookie_",
    "upstream_http_",
    "upstream_trailer_",
)
# Beside nginx's own: that of ingress-nginx for the id of a request.
NGINX_MEANS = {
    "time_local": Meaning("time", CLF_TIME, 2),
    "time_iso8601": Meaning("time", "iso", 2),
    "time_iso8601_ms": Meaning("time", "iso", 1),
    "msec": Meaning("time", "s"),
    # What the client asked for comes before what nginx made of it.
    "request_uri": Meaning("path"),
    "request": Meaning("path", "request", 1),
    "document_uri": Meaning("path", rank=2),
    "uri": Meaning("path", rank=2),
    "status": Meaning("status"),
    "request_time": Meaning("duration_ms", "s"),
    "http_user_agent": Meaning("user_agent"),
    "request_id": Meaning("request_id"),
    "req_id": Meaning("request_id"),
}

# Every directive of mod_log_config and mod_logio (https://httpd.apache.org/docs/current/mod/mod_log_config.html),
# and the letters that stand after a name in braces.
APACHE = frozenset("%aABbCDefhHiIklLmnoOpPqrRsStTuUvVX") | {"^FB", "^ti", "^to"}
# %T alone is in whole seconds: a time of 0.9 s is written 0, which is no response time.
APACHE_MEANS = {
    "t": Meaning("time", CLF_TIME, 2),
    "r": Meaning("path", "request", 1),
    "U": Meaning("path", rank=2),
    "s": Meaning("status", rank=1),
    ">s": Meaning("status"),
    "D": Meaning("duration_ms", "us"),
    "{us}T": Meaning("duration_ms", "us"),
    "{ms}T": Meaning("duration_ms", "ms", 1),
    "{decimal}T": Meaning("duration_ms", "s", 1),  # gunicorn's %(L)s: seconds with six places
    "{user-agent}i": Meaning("user_agent"),
    "{unique_id}e": Meaning("request_id"),
    "{sec}t": Meaning("time", "s", 2),
    "{msec}t": Meaning("time", "ms"),
    "{usec}t": Meaning("time", "us"),
}

# Fields of the W3C extended log file format (https://www.w3.org/TR/WD-logfile.html), of CloudFront and of IIS.
W3C_MEANS = {
    "date": Meaning("date"),
    "time": Meaning("time", "utc"),
    "cs-uri-stem": Meaning("path"),
    "cs-uri": Meaning("path", rank=1),
    "sc-status": Meaning("status"),
    "time-taken": Meaning("duration_ms", "s"),
    "cs(user-agent)": Meaning("user_agent"),
    "x-edge-request-id": Meaning("request_id"),
}
