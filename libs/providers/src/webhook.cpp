#include "providers/webhook.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::providers {

/// Of each folder here, as the build finds them.
std::vector<const Webhook*> all_webhooks();

namespace {

bool same_message(const Proof::Claim& a, const Proof::Claim& b) {
    return a.kind == b.kind && a.body.data() == b.body.data() && a.body.size() == b.body.size() && a.composed == b.composed;
}

}  // namespace

const Webhook* webhook_of(std::string_view provider) {
    static const auto all = all_webhooks();
    auto found = std::find_if(all.begin(), all.end(), [&](const Webhook* w) { return w->name() == provider; });
    return found == all.end() ? nullptr : *found;
}

Parts Parts::of(const http::Request& request) {
    Parts p{request.path, request.target, request.content_type(), request.body, {}, request.received_at};
    p.headers.assign(request.headers.items().begin(), request.headers.items().end());
    return p;
}

Parts Parts::of(const inbound::v1::Receipt& receipt) {
    std::string_view target = receipt.request_target();
    Parts p{percent_decode(target.substr(0, target.find('?')), false),
            target,
            http::media_type(receipt.content_type()),
            receipt.raw_body(),
            {},
            from_micros(receipt.received_at_us()),
            {receipt.judged_urls().begin(), receipt.judged_urls().end()}};
    if (p.path.ends_with('/')) p.path.pop_back();  // as the endpoint does
    for (const auto& h : receipt.headers()) p.headers.emplace_back(h.name(), h.value());
    return p;
}

std::string_view Parts::header(std::string_view name) const {
    auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return iequals(h.first, name); });
    return found == headers.end() ? std::string_view() : found->second;
}

std::size_t Parts::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::count_if(headers.begin(), headers.end(), [&](const auto& h) { return iequals(h.first, name); }));
}

std::shared_ptr<const FormFields> Parts::form() const {
    if (read_form) return read_form;
    if (static_cast<std::size_t>(std::count(body.begin(), body.end(), '&')) >= kMostFormFields) return nullptr;
    read_form = std::make_shared<const FormFields>(parse_form(body));
    return read_form;
}

std::shared_ptr<inbound::v1::ProviderEvent> new_event() {
    struct Held {
        Held() : arena(options()), event(google::protobuf::Arena::CreateMessage<inbound::v1::ProviderEvent>(&arena)) {}
        static google::protobuf::ArenaOptions options() {
            google::protobuf::ArenaOptions o;
            o.start_block_size = 2'048;  // a usual event
            return o;
        }
        google::protobuf::Arena arena;
        inbound::v1::ProviderEvent* event;
    };
    auto held = std::make_shared<Held>();
    auto* event = held->event;
    return {std::move(held), event};
}

Proof Proof::none(Refusal why) {
    Proof p;
    p.missing = std::move(why);
    return p;
}

std::size_t Trials::add(const Proof& proof, std::string_view key) {
    Trial trial{&proof, {}};
    const auto first = hashes_.size();
    for (std::size_t a = 0; a < std::min(proof.alternatives.size(), kMostAlternatives); ++a)
        for (const auto& claim : proof.alternatives[a]) {
            auto same = std::find_if(hashes_.begin() + static_cast<std::ptrdiff_t>(first), hashes_.end(),
                                     [&](const Hash& h) { return same_message(*h.claim, claim); });
            trial.hashes.push_back(static_cast<std::size_t>(same - hashes_.begin()));
            if (same == hashes_.end()) hashes_.push_back({&claim, key, {}});
        }
    trials_.push_back(std::move(trial));
    return trials_.size() - 1;
}

void Trials::run() {
    std::vector<DigestJob> together;
    std::vector<Hash*> of;
    together.reserve(hashes_.size());
    of.reserve(hashes_.size());
    for (auto& hash : hashes_) {
        const auto& claim = *hash.claim;
        if (claim.composed.empty() || claim.body.empty()) {
            together.push_back({claim.kind, claim.composed.empty() ? claim.body : std::string_view(claim.composed), hash.key});
            of.push_back(&hash);
        } else if (claim.kind == Digest::hmac_sha256) {
            hash.digest = hmac_sha256(hash.key, {claim.composed, claim.body});  // a body of megabytes is not copied behind a time
        } else {
            auto whole = claim.composed + std::string(claim.body);
            hash.digest = claim.kind == Digest::hmac_sha1 ? hmac_sha1(hash.key, whole) : sha256(whole);
        }
    }
    digest_all(together);
    for (std::size_t i = 0; i < of.size(); ++i) of[i]->digest = together[i].digest;
}

bool Trials::good(std::size_t number) const {
    const auto& trial = trials_[number];
    bool proven = false;
    std::size_t at = 0;
    for (std::size_t a = 0; a < std::min(trial.proof->alternatives.size(), kMostAlternatives); ++a) {
        const auto& claims = trial.proof->alternatives[a];
        bool all = !claims.empty();
        for (const auto& claim : claims) all = constant_time_equal(hashes_[trial.hashes[at++]].digest, claim.digest) && all;
        proven = all || proven;
    }
    return proven;
}

bool proves(const Proof& proof, const Secret& key) {
    Trials one;
    one.add(proof, key.reveal());
    one.run();
    return one.good(0);
}

http::Response Webhook::answer(const Taken& taken) const {
    JsonWriter body;
    body.begin_object()
        .member("success", true)
        .key("data")
        .begin_object()
        .member("event_id", taken.event_id)
        .member("verdict", taken.verdict)
        .end_object()
        .end_object();
    return http::Response::json(200, body.take());
}

}  // namespace otto::providers
