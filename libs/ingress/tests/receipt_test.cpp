#include "ingress/webhook.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
namespace pb = otto::inbound::v1;

namespace {

class Signed final : public ingress::Provider {
public:
    std::string_view name() const override { return "signed"; }
    std::vector<std::string> paths() const override { return {}; }
    std::string_view title() const override { return "Signed"; }
    std::unique_ptr<ingress::Reading> read(const http::Request&) const override { return nullptr; }
    std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request& r) const override { return {{"signature", std::string(r.headers.get("signature"))}}; }
    ingress::Proof proof(const http::Request&) const override { return {}; }
    std::vector<directory::Key> keys(const directory::Profile&, Instant) const override { return {}; }
};

http::Request request(const std::string& odd) {
    http::Request r;
    r.target = "/api/v1/hook?name=" + odd;
    r.headers.add("Content-Type", "application/json; note=" + odd);
    r.headers.add("Signature", odd);
    r.client_address = odd;
    r.body = "{\"a\":\"" + odd + "\"}";
    return r;
}

}  // namespace

TEST_CASE("a receipt keeps what came, and can be read again whatever bytes stood in target and headers") {
    for (std::string odd : {"plain", "\xff", "Zo\xc3\xab", "\xc3"}) {
        pb::Receipt receipt, back;
        auto r = request(odd);
        ingress::fill_receipt(receipt, Signed(), r, {ingress::Verdict::authentic, CompanyId{"org_1"}, ""}, from_micros(7));
        REQUIRE(back.ParseFromString(receipt.SerializeAsString()));
        CHECK(back.raw_body() == r.body);
        CHECK(back.provider() == "signed");
        CHECK(back.verdict() == pb::VERDICT_AUTHENTIC);
        CHECK(back.proven_company_id() == "org_1");
        CHECK(back.received_at_us() == 7);
        auto kept = mend_utf8(odd);
        CHECK(back.request_target() == "/api/v1/hook?name=" + kept);
        CHECK(back.content_type() == "application/json; note=" + kept);
        CHECK(back.headers(0).value() == kept);
        CHECK(back.client_address() == kept);
    }
}
