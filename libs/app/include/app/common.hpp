#pragma once
#include "app/settings.hpp"
#include "telemetry/log.hpp"

/// Settings that more than one service reads.
namespace otto::app {

inline const Setting<std::int64_t> kPort =
    number("port", 8080, 0, 65535, "port of the public HTTP API and webhooks; 0 = any free one");
inline const Setting<std::string> kAddress = text("address", "127.0.0.1", "address that the public port listens on");
inline const Setting<std::int64_t> kAdminPort =
    number("admin-port", 9080, 0, 65535, "port of /healthz, /readyz, /metrics; 0 = any free one");
inline const Setting<std::string> kAdminAddress = text("admin-address", "127.0.0.1", "address that the admin port listens on");
inline const Choice<tel::Level> kLogLevel = choice<tel::Level>(
    "log-level", "info",
    {{"debug", tel::Level::debug}, {"info", tel::Level::info}, {"warn", tel::Level::warn}, {"error", tel::Level::error}},
    "the least that is logged");
inline const Setting<Secret> kLogHashKey = secret("log-hash-key", "key of the hashes that stand for phone numbers in logs");
inline const Setting<std::int64_t> kHttpThreads = number("http-threads", 1, 1, 64, "threads that read and write HTTP");
inline const Setting<std::int64_t> kHttpWorkers =
    number("http-workers", 16, 1, 512, "threads that run requests which wait for the database");
inline const Setting<std::vector<std::string>> kTrustedProxies = list(
    "trusted-proxies", "", "addresses of proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed");
inline const Setting<Millis> kDrain = duration("drain", "25s", "how long a stop may take before what is under way is cut off");

inline const Setting<std::string> kKafkaBrokers =
    text("kafka-brokers", "127.0.0.1:19092", "Kafka's bootstrap servers, host:port,host:port");
inline const Setting<Secret> kPgUrl =
    secret("pg-url", "Postgres, as libpq takes it; OTTO_PG_URL_<SERVICE> replaces it for one service");
inline const Setting<Secret> kSecretKeys =
    secret("secret-keys", "key ring that seals secrets at rest: id:base64,id:base64 (32 bytes each); the first one seals");
inline const Setting<std::string> kPublicUrl =
    text("public-url", "http://127.0.0.1:8080", "the address under which providers reach Otto");
inline const Setting<std::vector<std::string>> kPrivateAddresses =
    list("private-addresses", "", "host:port that outgoing requests may reach although private (a sandbox); empty in production");

inline const Setting<std::string> kOtlpEndpoint =
    text("otlp-endpoint", "", "collector that traces are told to by OTLP over HTTP, as http://host:4318; empty = none are told");
inline const Setting<std::string> kTraceSample =
    text("trace-sample", "0.01", "share of all journeys that traces are told of, 0 to 1; what fails or is slow is told always");

/// What every process reads.
inline Rows common_rows() {
    return {kPort.row,        kAddress.row,     kAdminPort.row,      kAdminAddress.row, kLogLevel.row,     kLogHashKey.row,
            kHttpThreads.row, kHttpWorkers.row, kTrustedProxies.row, kDrain.row,        kOtlpEndpoint.row, kTraceSample.row};
}

}  // namespace otto::app
