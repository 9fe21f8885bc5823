#include "kafka/access.hpp"

#include <mutex>
#include <set>

#include "client.hpp"
#include "telemetry/log.hpp"

namespace otto::kafka {
namespace {

struct Process {
    std::mutex lock;
    std::function<Access()> present;
    std::set<rd_kafka_t*> clients;  ///< that log in, and are not about to end
};
Process& process() {
    static auto* one = new Process;  // clients end on threads of their own, after main()
    return *one;
}

/// Called before anything of the client goes.
rd_kafka_resp_err_t on_destroy(rd_kafka_t* client, void*) {
    std::lock_guard guard(process().lock);
    process().clients.erase(client);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t*, void*, char*, std::size_t) {
    return rd_kafka_interceptor_add_on_destroy(client, "access", &on_destroy, nullptr);
}

/// librdkafka before 2.6.1 sends the client's nonce twice, which Kafka refuses from 4.0 on: right passwords pass for wrong ones.
constexpr int kScramIsRight = 0x020601ff;
void warn_of_scram(const std::string& mechanism) {
    if (!mechanism.starts_with("SCRAM") || rd_kafka_version() >= kScramIsRight) return;
    static std::once_flag told;
    std::call_once(told, [&] {
        tel::warn(
            "Kafka 4 refuses SCRAM logins of this machine's librdkafka, whatever the password",
            {{"librdkafka", rd_kafka_version_str()},
             {"cure",
              "a client certificate (OTTO_KAFKA_TLS_CERT), or OTTO_KAFKA_SASL_MECHANISM=PLAIN with TLS; or librdkafka 2.6.1"}});
    });
}

/// Not through set(), whose error shows the value.
void set_secret(rd_kafka_conf_t* conf, const char* name, const std::string& value, const char* setting) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK)
        throw Failure(Error(std::string(setting) + " cannot be used by the Kafka client"));
}

}  // namespace

void use_access(std::function<Access()> present) {
    std::lock_guard guard(process().lock);
    process().present = std::move(present);
}

void apply_access(rd_kafka_conf_t* conf) {
    std::function<Access()> present;
    {
        std::lock_guard guard(process().lock);
        present = process().present;
    }
    if (!present) return;
    const auto access = present();
    const bool tls = !access.ca.empty(), sasl = !access.mechanism.empty();
    if (!tls && !sasl) return;
    set(conf, "security.protocol", tls ? (sasl ? "SASL_SSL" : "SSL") : "SASL_PLAINTEXT");
    if (tls) {
        set(conf, "ssl.endpoint.identification.algorithm", "https");  // the broker's name is in its certificate
        if (access.ca.reveal() != kSystemCa) set_secret(conf, "ssl.ca.pem", access.ca.reveal() + "\n", "OTTO_KAFKA_TLS_CA");
        if (!access.certificate.empty()) {
            set_secret(conf, "ssl.certificate.pem", access.certificate.reveal() + "\n", "OTTO_KAFKA_TLS_CERT");
            set_secret(conf, "ssl.key.pem", access.key.reveal() + "\n", "OTTO_KAFKA_TLS_KEY");
        }
    }
    if (sasl) {
        warn_of_scram(access.mechanism);
        set(conf, "sasl.mechanisms", access.mechanism);
        set_secret(conf, "sasl.username", access.username.reveal(), "OTTO_KAFKA_SASL_USERNAME");
        set_secret(conf, "sasl.password", access.password.reveal(), "OTTO_KAFKA_SASL_PASSWORD");
        rd_kafka_conf_interceptor_add_on_new(conf, "access", &on_new, nullptr);
    }
}

void note_client(rd_kafka_t* client) {
    std::lock_guard guard(process().lock);
    if (process().present) process().clients.insert(client);
}

void refresh_access() {
    std::function<Access()> present;
    {
        std::lock_guard guard(process().lock);
        present = process().present;
    }
    if (!present) return;
    const auto access = present();
    if (access.mechanism.empty()) return;
    std::lock_guard guard(process().lock);  // so that none of them ends meanwhile
    for (auto* client : process().clients)
        if (auto* error =
                rd_kafka_sasl_set_credentials(client, access.username.reveal().c_str(), access.password.reveal().c_str())) {
            tel::warn("a Kafka client does not take another password",
                      {{"client", rd_kafka_name(client)}, {"why", rd_kafka_error_string(error)}});
            rd_kafka_error_destroy(error);
        }
}

}  // namespace otto::kafka
