#pragma once
// A directory for the router's tests, and events for its companies.
#include "routing.hpp"

#include "base/crypto.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "testing/catch.hpp"

namespace otto::tenant_router {

namespace pb = otto::inbound::v1;

inline KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

struct Known {
    directory::Companies all{{"", "t", "", ring()}};
    otto::directory::v1::Standing standing = otto::directory::v1::STANDING_FINAL;
    std::string callrail_company, account_id, provider = "callrail", key_column = "callrail_signing_key";
    std::vector<std::string> purposes{"voice"};
    void add(const std::string& id, std::int64_t version, const std::string& number, const std::string& key,
             std::optional<Instant> from = {}, const std::string& status = "active", std::optional<Instant> to = {}) {
        otto::directory::v1::CompanyProfile m;
        m.set_company_id(id);
        m.set_version(version);
        m.set_status(status);
        if (!number.empty()) {
            auto* n = m.add_numbers();
            n->set_e164(number);
            n->mutable_purposes()->Assign(purposes.begin(), purposes.end());
            n->set_standing(standing);
            if (from) n->set_valid_from_us(to_micros(*from));
            if (to) n->set_valid_to_us(to_micros(*to));
        }
        auto& account = *m.add_accounts();
        account.set_provider(provider);
        account.set_account_id(account_id);
        if (!key.empty()) {
            auto* k = account.add_signing_keys();
            k->set_column(key_column);
            k->set_sealed(ring().seal(Secret(key), seal_place(id, key_column)));
        }
        if (!callrail_company.empty()) account.add_company_ids(callrail_company);
        all.apply(id, m.SerializeAsString());
    }
};

inline const Instant kNow = system_clock().now();

inline pb::ProviderEvent event(const std::string& number, pb::Verdict verdict, const std::string& proven,
                               const std::string& key = "") {
    pb::ProviderEvent e;
    e.set_kind("call.completed");
    auto& r = *e.mutable_receipt();
    r.set_provider("callrail");
    r.set_raw_body("{}");
    r.set_received_at_us(to_micros(system_clock().now()));
    r.set_verdict(verdict);
    r.set_proven_company_id(proven);
    if (!key.empty()) {
        auto* h = r.add_headers();
        h->set_name("signature");
        h->set_value(base64_encode(hmac_sha1(key, "{}")));
    }
    e.mutable_addressee()->set_number(number);
    e.mutable_addressee()->set_purpose(pb::PURPOSE_VOICE);
    e.mutable_call()->set_tracking_number(number);
    e.mutable_call()->set_provider_call_id("c1");
    return e;
}
inline void began(pb::ProviderEvent& e, Instant at) {
    e.mutable_call()->set_started_at_us(to_micros(at));
    e.mutable_addressee()->set_at_us(to_micros(at));
}

inline std::string reason(const Decision& d) {
    return std::holds_alternative<Held>(d) ? std::get<Held>(d).reason : "-> " + std::get<Owner>(d).company.value();
}

}  // namespace otto::tenant_router
