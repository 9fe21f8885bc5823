#include "app/common.hpp"

#include "app/secrets.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"
#include "http/addresses.hpp"
#include "kafka/access.hpp"
#include "pg/url.hpp"

namespace otto::app {

Misfit misfit_of_ranges(const std::string& text) {
    auto ranges = http::AddressRanges::parse(split_list(text));
    return ranges ? std::nullopt : Misfit(ranges.error().describe());
}

Misfit misfit_of_certificates(const std::string& text) {
    bool pem = text.find("-----BEGIN CERTIFICATE-----") != std::string::npos &&
               text.find("-----END CERTIFICATE-----") != std::string::npos;
    return pem || text == kafka::kSystemCa ? std::nullopt : Misfit("there is no certificate in it");
}

Misfit misfit_of_key(const std::string& text) {
    bool pem = text.find("-----BEGIN ") != std::string::npos && text.find("PRIVATE KEY-----") != std::string::npos;
    return pem ? std::nullopt : Misfit("there is no private key in it");
}

Misfit misfit_of_pg_url(const std::string& text) {
    auto good = pg::check_url(Secret(text));
    return good ? std::nullopt : Misfit(good.error().message);
}

Misfit misfit_of_ring(const std::string& text) {
    auto ring = KeyRing::parse(Secret(text));
    return ring ? std::nullopt : Misfit(ring.error().message);
}

Result<void> use_kafka_settings(const Settings& settings) {
    if (!settings.has(kKafkaBrokers.row)) return {};
    auto has = [&](const Setting<Secret>& s) { return !settings.get(s).empty(); };
    const bool tls = has(kKafkaTlsCa), certificate = has(kKafkaTlsCert), username = has(kKafkaUsername),
               password = has(kKafkaPassword);
    const auto mechanism = settings.get(kKafkaSasl);
    if (certificate != has(kKafkaTlsKey))
        return Error("of OTTO_KAFKA_TLS_CERT and OTTO_KAFKA_TLS_KEY one is set without the other", "set both, or neither");
    if (certificate && !tls)
        return Error("OTTO_KAFKA_TLS_CERT is set without OTTO_KAFKA_TLS_CA", "set it to the brokers' CA, or to system");
    if (mechanism == "PLAIN" && !tls)
        return Error("OTTO_KAFKA_SASL_MECHANISM is PLAIN without TLS, which would send the password as it is",
                     "set OTTO_KAFKA_TLS_CA to the brokers' CA, or to system");
    if (mechanism.empty() && (username || password))
        return Error("OTTO_KAFKA_SASL_USERNAME or OTTO_KAFKA_SASL_PASSWORD is set without OTTO_KAFKA_SASL_MECHANISM",
                     kKafkaSasl.row.environment() + " takes " + kKafkaSasl.row.takes());
    if (!mechanism.empty() && !(username && password))
        return Error("OTTO_KAFKA_SASL_MECHANISM is set without OTTO_KAFKA_SASL_USERNAME and OTTO_KAFKA_SASL_PASSWORD",
                     "set both");
    if (!tls && mechanism.empty()) {
        kafka::use_access({});
        return {};
    }
    kafka::use_access([ca = settings.live(kKafkaTlsCa), cert = settings.live(kKafkaTlsCert), key = settings.live(kKafkaTlsKey),
                       mechanism, user = settings.live(kKafkaUsername), word = settings.live(kKafkaPassword)] {
        return kafka::Access{ca.now(), cert.now(), key.now(), mechanism, user.now(), word.now()};
    });
    return {};
}

}  // namespace otto::app
