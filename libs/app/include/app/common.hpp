#pragma once
#include "app/settings.hpp"
#include "telemetry/log.hpp"

/// Settings that more than one service reads.
namespace otto::app {

/// Why a value is none; without showing it.
using Misfit = std::optional<std::string>;
Misfit misfit_of_ranges(const std::string&);
Misfit misfit_of_certificates(const std::string&);
Misfit misfit_of_key(const std::string&);
Misfit misfit_of_pg_url(const std::string&);
Misfit misfit_of_ring(const std::string&);

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
inline const Setting<std::vector<std::string>> kTrustedProxies = [] {
    auto setting = list("trusted-proxies", "",
                        "addresses of proxies, and ranges of them (10.0.0.0/8), whose X-Forwarded-For, X-Forwarded-Proto and "
                        "X-Forwarded-Host are believed");
    setting.row.misfit = misfit_of_ranges;
    return setting;
}();
inline const Setting<Millis> kDrain = duration("drain", "25s", "how long a stop may take before what is under way is cut off");

inline const Setting<std::string> kKafkaBrokers =
    text("kafka-brokers", "127.0.0.1:19092", "Kafka's bootstrap servers, host:port,host:port");
inline const Setting<Secret> kKafkaTlsCa =
    secret("kafka-tls-ca",
           "certificates (PEM) of who vouches for Kafka's brokers, or the word system for those of the machine; given: TLS",
           "certificates as PEM, -----BEGIN CERTIFICATE-----, or the word system", misfit_of_certificates);
inline const Setting<Secret> kKafkaTlsCert =
    secret("kafka-tls-cert", "certificate (PEM) by which Kafka's brokers know this client, with OTTO_KAFKA_TLS_KEY",
           "a certificate as PEM, -----BEGIN CERTIFICATE-----", misfit_of_certificates);
inline const Setting<Secret> kKafkaTlsKey = secret("kafka-tls-key", "private key (PEM) of OTTO_KAFKA_TLS_CERT",
                                                   "a private key as PEM, -----BEGIN PRIVATE KEY-----", misfit_of_key);
inline const Choice<std::string> kKafkaSasl = choice<std::string>(
    "kafka-sasl-mechanism", "none",
    {{"none", ""}, {"PLAIN", "PLAIN"}, {"SCRAM-SHA-256", "SCRAM-SHA-256"}, {"SCRAM-SHA-512", "SCRAM-SHA-512"}},
    "how clients log in at Kafka; PLAIN with TLS only, for it sends the password as it is; SCRAM at Kafka 4 with "
    "librdkafka 2.6.1 or newer only");
inline const Setting<Secret> kKafkaUsername = secret("kafka-sasl-username", "name under which clients log in at Kafka");
inline const Setting<Secret> kKafkaPassword = secret("kafka-sasl-password", "password of OTTO_KAFKA_SASL_USERNAME");

inline Setting<Secret> pg_url_setting(std::string name, std::string help) {
    return secret(std::move(name), std::move(help), "a connection string, postgresql://user@host/database or key=value words",
                  misfit_of_pg_url);
}
inline const Setting<Secret> kPgUrl =
    pg_url_setting("pg-url", "Postgres, as libpq takes it; OTTO_PG_URL_<SERVICE> replaces it for one service");
inline const Setting<Secret> kPgPassword =
    secret("pg-password", "password for a Postgres URL that has none; OTTO_PG_PASSWORD_<SERVICE> replaces it for one service");
inline const Setting<Secret> kSecretKeys =
    secret("secret-keys", "key ring that seals secrets at rest: id:base64,id:base64 (32 bytes each); the first one seals",
           "a key ring, id:base64 or id:base64,id:base64 (32 bytes each)", misfit_of_ring);
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
    return {kStrict.row,   kPort.row,         kAddress.row,     kAdminPort.row,   kAdminAddress.row,
            kLogLevel.row, kLogHashKey.row,   kHttpThreads.row, kHttpWorkers.row, kTrustedProxies.row,
            kDrain.row,    kOtlpEndpoint.row, kTraceSample.row};
}

/// Whoever is a client of Kafka's.
inline Rows kafka_rows() {
    return {kKafkaBrokers.row, kKafkaTlsCa.row,    kKafkaTlsCert.row, kKafkaTlsKey.row,
            kKafkaSasl.row,    kKafkaUsername.row, kKafkaPassword.row};
}

/// Has all Kafka clients of this process log in as the settings say, as they stand whenever a client is made; refresh_kafka()
/// tells those there are of what has changed. The error names what does not go together.
Result<void> use_kafka_settings(const Settings&);

}  // namespace otto::app
