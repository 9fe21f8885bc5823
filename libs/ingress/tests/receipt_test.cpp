#include "ingress/judge.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
namespace pb = otto::inbound::v1;

namespace {

class Signed final : public providers::Webhook {
public:
    std::string_view name() const override { return "signed"; }
    std::vector<std::string> paths() const override { return {}; }
    std::string_view title() const override { return "Signed"; }
    std::unique_ptr<providers::Reading> read(const providers::Parts&) const override { return nullptr; }
    std::vector<std::string_view> signature_headers() const override { return {"signature"}; }
    providers::Proof proof(const providers::Parts&) const override { return {}; }
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
        ingress::fill_receipt(receipt, Signed(), r, {ingress::Verdict::authentic, CompanyId{"org_1"}}, from_micros(7));
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
        // What is read of it again is what was read of the request, but for what had to be mended.
        auto parts = providers::Parts::of(back);
        CHECK(parts.path == "/api/v1/hook");
        CHECK(parts.target == back.request_target());
        CHECK(parts.content_type == "application/json");
        CHECK(parts.body == r.body);
        CHECK(parts.header("Signature") == kept);
        CHECK(parts.received_at == from_micros(7));
    }
}
