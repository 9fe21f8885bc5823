#include "handlers.hpp"

#include <set>

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "tenant-router/sql.hpp"

namespace otto::tenant_router {
namespace {

const tel::Counters kReleased{"otto_held_released_total", "Held events that went on."};
const tel::SharedGauges kHeldEvents{"otto_held_events", "Events that nobody owns, or nobody's key proves."};

namespace pb = otto::inbound::v1;
const std::string kName = "tenant-router";

const char* verdict_text(pb::Verdict v) {
    return v == pb::VERDICT_AUTHENTIC ? "authentic" : v == pb::VERDICT_UNSIGNED ? "unsigned" : "open";
}

std::string headers_json(const pb::Receipt& r) {
    JsonWriter w;
    w.begin_array();
    for (const auto& h : r.headers()) w.begin_array().value(h.name()).value(h.value()).end_array();
    return w.end_array().take();
}

pg::Param text_or_null(const std::string& text) { return text.empty() ? pg::Param(nullptr) : pg::Param(text); }

struct HeldRow {
    Uuid id;
    std::string reason, cure, record, traceparent;
    Instant received_at;
    bool asked;  // by an operator, who waits for the answer
    bool known;  // false: the job, or the call, that it waits for is not on record, and its record was not read
    bool named;  // what it waits for in the directory is on record
    static HeldRow from(const pg::Fields& f) {
        bool known = f.boolean("known");
        return {f.uuid("event_id"),    f.text("reason"),       f.text("cure"),     known ? f.bytes("record") : "",
                f.text("traceparent"), *f.time("received_at"), f.boolean("asked"), known,
                f.boolean("named")};
    }
};

/// How a text stands that was sent from a number which nobody has: whose it is follows from the text.
bool may_be_remembered(const pb::ProviderEvent& event) {
    return event.has_message() && event.message().direction() == "outbound" && !event.message().provider_message_id().empty();
}

/// Names in the directory of what may let a held event go on; and of a message its own, under which it is remembered, and by
/// which taken_messages() tells that it waits.
pg::Param concerns(const pb::ProviderEvent& event, const Held& held) {
    auto names =
        event.has_job() ? std::vector<std::string>{} : directory::names_of(event.receipt().provider(), addressee_of(event));
    if (event.has_message() && !event.message().provider_message_id().empty()) names.push_back(message_name(event.message()));
    if (!held.held_for.value().empty()) names.push_back(directory::name_of(held.held_for));
    return pg::Param::array(names);
}

/// Names in provider_calls of which one must be known before an event can go on: its job's, or its call's.
pg::Param waits_for(const pb::ProviderEvent& event) {
    if (names_its_call(event)) return pg::Param::array(std::vector<std::string>{event.addressee().provider_call_id()});
    if (event.has_job() && event.not_understood().empty()) return pg::Param::array(names_of(event.job()));
    return pg::Param(nullptr);
}

/// What provider_calls knows of many reports, asked once.
class Remembered {
public:
    void ask(const pb::ProviderEvent& event) {
        if (event.has_job())
            for (auto& name : names_of(event.job())) names_.emplace("shunya", std::move(name));
        else if (may_be_remembered(event))
            names_.emplace(event.receipt().provider(), message_name(event.message()));
        else if (names_its_call(event))
            names_.emplace(event.receipt().provider(), event.addressee().provider_call_id());
    }
    void look_up(pg::Tx& tx) {
        if (names_.empty()) return;
        pg::Columns asked(2);
        for (const auto& [provider, name] : names_) asked.row({provider, name});
        tx.each(sql::remembered, asked.params(), [this](const pg::Fields& f) {
            known_[{f.text("provider"), f.text("provider_call_id")}].push_back(
                {CompanyId{f.text("company_id")}, f.text("phone")});
        });
    }
    std::vector<CompanyId> of_message(const pb::ProviderEvent& event) const {
        std::vector<CompanyId> out;
        if (!may_be_remembered(event)) return out;
        if (auto found = known_.find({event.receipt().provider(), message_name(event.message())}); found != known_.end())
            for (const auto& owner : found->second) out.push_back(owner.company);
        return out;
    }
    std::vector<JobOwner> of_call(const pb::ProviderEvent& event) const {
        auto found = known_.find({event.receipt().provider(), event.addressee().provider_call_id()});
        return found == known_.end() ? std::vector<JobOwner>{} : found->second;
    }
    JobDecision of_job(const pb::ProviderEvent& event, const directory::Companies& companies) const {
        KnownJob known;
        for (const auto& name : names_of(event.job()))
            if (auto found = known_.find({"shunya", name}); found != known_.end())
                (name.starts_with("job:") ? known.by_job : known.by_call) = found->second;
        return route_job(event, known, companies);
    }

private:
    std::set<std::pair<std::string, std::string>> names_;  // of each provider
    std::map<std::pair<std::string, std::string>, std::vector<JobOwner>> known_;
};

/// One held event that is tried again: it goes on, or is told why it cannot.
class Release {
public:
    Release(pg::Tx& tx, const HeldRow& row) : tx_(tx), row_(row) {
        cause_.id = EventId{row.id};
        cause_.occurred_at = row.received_at;
        cause_.trace = tel::TraceContext::parse(row.traceparent).value_or(tel::TraceContext::fresh());
    }
    void cannot(const std::string& reason, const std::string& cure) {
        tx_.write(sql::explain_again, {row_.id, reason, cure, pg::Param::array(std::vector<std::string>{}), nullptr, false});
    }
    /// Whether it went on.
    bool go(pb::ProviderEvent event, const JobDecision& decision) {
        if (const auto* held = std::get_if<Held>(&decision)) return stays(event, *held);
        const auto& owner = std::get<JobOwner>(decision);
        const auto kind = event.kind();
        return hand_on(routed_job(std::move(event), owner)) && went(owner.company, kind);
    }
    bool go(pb::ProviderEvent event, const Decision& decision) {
        if (const auto* held = std::get_if<Held>(&decision)) return stays(event, *held);
        const auto& owner = std::get<Owner>(decision);
        const auto kind = event.kind();
        bool handed = false;
        Kinds::hand_over(event, owner, [&](const auto& message) { handed = hand_on(message); });
        return handed && went(owner.company, kind);
    }

    /// What could not be read before is from now on kept as it is read now.
    void keep(const pb::ProviderEvent& event) {
        std::string record;
        event.SerializeToString(&record);
        tx_.write(sql::read_anew, {row_.id, pg::Param::bytes(record), event.kind(), text_or_null(addressee_of(event).number()),
                                   waits_for(event)});
    }

private:
    bool stays(const pb::ProviderEvent& event, const Held& held) {
        auto account = text_or_null(held.held_for.value());
        if (held.reason != row_.reason || held.cure != row_.cure || row_.asked || !row_.named)
            tx_.write(sql::explain_again, {row_.id, held.reason, held.cure, concerns(event, held), account, held.conflict});
        return false;
    }
    /// Under the id that it would have had at once: v5 of the same cause. What cannot go on stays, and holds up nobody behind it.
    template <class M>
    bool hand_on(const M& message) {
        try {
            emitter().emit(tx_, cause_, message);
            return true;
        } catch (const rt::EventTooLarge& e) {
            cannot("It is larger than what can be handed on",
                   "An operator may look at it (ottoctl held): " + std::string(e.what()));
            return false;
        }
    }
    bool went(const CompanyId& company, const std::string& kind) {
        tx_.write(sql::release, {row_.id, company});
        tel::info("a held event flows on", {{"event_id", row_.id.to_string()},
                                            {"company_id", company.value()},
                                            {"kind", kind},
                                            {"trace_id", cause_.trace.trace_id_hex()}});
        return true;
    }
    static const Kinds::Emitter& emitter() {
        static const Kinds::Emitter one(kName);
        return one;
    }

    pg::Tx& tx_;
    const HeldRow& row_;
    rt::Envelope cause_;
};

void hold(const rt::In<pb::ProviderEvent>& in, const Held& held, pg::Tx& tx) {
    const auto& receipt = in.event.receipt();
    std::string record;
    in.event.SerializeToString(&record);
    tx.write(sql::hold, {in.meta.id, receipt.provider(), in.event.kind(), held.reason, held.cure, text_or_null(held.number),
                         verdict_text(receipt.verdict()), text_or_null(receipt.proven_company_id()), receipt.request_target(),
                         receipt.content_type(), headers_json(receipt), pg::Param::bytes(receipt.raw_body()),
                         pg::Param::bytes(record), in.meta.trace.traceparent(), from_micros(receipt.received_at_us()),
                         waits_for(in.event), concerns(in.event, held), text_or_null(held.held_for.value()), held.conflict});
    auto shown = held.reason;  // the number goes into the log as its last digits and hash only
    if (!held.number.empty())
        if (auto at = shown.find(held.number); at != std::string::npos)
            shown.replace(at, held.number.size(),
                          "…" + held.number.substr(held.number.size() - std::min<std::size_t>(4, held.number.size())));
    tel::warn(shown, {{"held", true},
                      {"provider", receipt.provider()},
                      {"kind", in.event.kind()},
                      {"event_id", in.meta.id.value().to_string()},
                      tel::phone("tracking_number", held.number),
                      {"trace_id", in.meta.trace.trace_id_hex()},
                      {"cure", held.cure}});
}

bool registered(const directory::Profile& company, const std::string& number) {
    return std::any_of(company.numbers.begin(), company.numbers.end(), [&](const auto& n) { return n.e164 == number; });
}

/// A number whose events a company's key proves while it waits to be registered is shown to the company.
void note_seen(const pb::ProviderEvent& event, const Held& held, const directory::Companies& companies, SeenNumbers& seen) {
    if (!held.seen || !normalize_phone(held.number).e164) return;
    const auto company = companies.find(held.held_for);
    if (!company || registered(*company, held.number)) return;
    const bool text = addressee_of(event).purpose() == pb::PURPOSE_TEXT;
    seen.add(held.held_for, held.number, event.receipt().provider(), text ? directory::Purpose::text : directory::Purpose::voice,
             from_micros(event.receipt().received_at_us()));
}

}  // namespace

void SeenNumbers::add(const CompanyId& company, const std::string& number, const std::string& provider,
                      directory::Purpose purpose, Instant at) {
    auto& last = all_[{company.value(), number, purpose}];
    if (last.first.empty() || last.second < at) last = {provider, at};
}

void SeenNumbers::write_alone(pg::Tx& tx) const {
    if (all_.empty()) return;
    std::string companies;
    for (const auto& [key, value] : all_) companies.append(companies.empty() ? "" : ",").append(std::get<0>(key));
    tx.write(sql::of_companies, {companies});
    write(tx);
}

void SeenNumbers::write(pg::Tx& tx) const {
    for (const auto& [key, value] : all_) {
        const auto& [company, number, purpose] = key;
        tx.write(sql::saw_number,
                 {company, number, value.first, purpose == directory::Purpose::text ? "text" : "voice", value.second});
    }
}

rt::Outcome Router::route(rt::Take<pb::ProviderEvent> in, Kinds::Out& out) const {
    read_anew(in.event);
    if (in.event.has_job() || names_its_call(in.event)) return rt::Outcome::defer();  // its company stands in a table
    auto decision = decide(in.event);
    auto* owner = std::get_if<Owner>(&decision);
    if (!owner) return rt::Outcome::defer();
    Kinds::hand_over(in.event, *owner, [&](const auto& message) { out.emit(message); });
    return rt::Outcome::done();
}

void Router::look_up_or_hold(std::span<const rt::In<pb::ProviderEvent>> ins, pg::Tx& tx, LookedUp& out) const {
    Remembered known;
    SeenNumbers seen;
    for (const auto& in : ins) known.ask(in.event);
    known.look_up(tx);
    for (const auto& in : ins) {
        Held held;
        if (in.event.has_job()) {
            auto decision = known.of_job(in.event, companies_);
            if (auto* owner = std::get_if<JobOwner>(&decision)) {
                out.emit(in.meta, routed_job(in.event, *owner));
                continue;
            }
            held = std::get<Held>(std::move(decision));
        } else if (names_its_call(in.event)) {
            auto decision = decide_of_call(in.event, known.of_call(in.event));
            if (auto* owner = std::get_if<Owner>(&decision)) {
                out.emit(in.meta, handed_over<CallKind>(in.event, *owner));
                continue;
            }
            held = std::get<Held>(std::move(decision));
        } else {
            const auto of_message = known.of_message(in.event);
            auto decision = decide(in.event, of_message);
            if (auto* owner = std::get_if<Owner>(&decision); owner && !of_message.empty()) {
                out.emit(in.meta, handed_over<MessageKind>(in.event, *owner));
                continue;
            }
            // Between routing and holding the owner may have become known: the next release takes it on.
            held = std::holds_alternative<Held>(decision)
                       ? std::get<Held>(decision)
                       : Held{"Its owner has just become known", "Nothing to do: it flows on by itself.",
                              addressee_of(in.event).number()};
        }
        hold(in, held, tx);
        note_seen(in.event, held, companies_, seen);
    }
    seen.write_alone(tx);
}

bool ToldProofs::tell(const changes::v1::NumberProven& proof, const EventId& cause) {
    constexpr std::size_t most = 10'000;
    constexpr std::int64_t again_us = 300'000'000;  // company-service may have had a reason to let it be, that has gone
    auto key = proof.company_id() + " " + proof.e164() + (proof.final_proof() ? " finally" : "");
    std::lock_guard guard(lock_);
    if (told_.size() >= most) told_.clear();
    auto [told, first] = told_.try_emplace(std::move(key), Told{cause, proof.at_us()});
    if (first || told->second.cause == cause) return true;
    if (proof.at_us() < told->second.at_us + again_us) return false;
    told->second = {cause, proof.at_us()};
    return true;
}

template <class Routed>
void Router::note_use(const rt::In<Routed>& in, const Use& use, SeenNumbers& seen,
                      rt::Out<changes::v1::NumberProven>& out) const {
    const auto& receipt = in.event.receipt();
    const auto [number, callable] = normalize_phone(use.number);
    auto company = companies_.find(CompanyId{in.event.company_id()});
    if (!company || !callable) return;
    auto received = from_micros(receipt.received_at_us());
    if (!registered(*company, number)) seen.add(company->id, number, receipt.provider(), use.purpose, received);
    // What the deployment's account signed, or what a message that is remembered brought along, proves no company's number.
    if (receipt.verdict() != pb::VERDICT_AUTHENTIC || receipt.proven_by_deployment()) return;
    auto standing = company->owns(number, use.purpose, credible(use.at, received).value_or(received));
    if (!standing || *standing >= (receipt.final_proof() ? directory::Standing::final_ : directory::Standing::proven)) return;
    changes::v1::NumberProven proof;
    proof.set_company_id(in.event.company_id());
    proof.set_e164(number);
    proof.set_provider(receipt.provider());
    proof.set_final_proof(receipt.final_proof());
    proof.set_at_us(receipt.received_at_us());
    if (told_.tell(proof, in.meta.id)) out.emit(in.meta, proof);
}

void Router::remember(std::span<const rt::In<routed::v1::CallReported>> ins, pg::Tx& tx,
                      rt::Out<changes::v1::NumberProven>& out) const {
    pg::Columns calls(4);
    std::set<std::string> names;  // of calls whose reports may name no more than the call
    SeenNumbers seen;
    for (const auto& in : ins) {
        const auto& e = in.event;
        for (const auto& alias : e.call().aliases()) {
            calls.row({e.receipt().provider(), alias, e.company_id(), e.phone()});
            if (e.call().stage() == pb::STAGE_PROGRESS) names.insert(alias);
        }
        auto began = e.call().has_started_at_us() ? std::optional(from_micros(e.call().started_at_us())) : std::nullopt;
        note_use(in, {e.call().tracking_number(), directory::Purpose::voice, began}, seen, out);
    }
    if (calls.rows() > 0) tx.write(sql::remember_calls, calls.params());
    if (!names.empty()) tx.write(sql::wake_held, {pg::Param::array(std::vector<std::string>(names.begin(), names.end()))});
    seen.write(tx);
}

void Router::remember_messages(std::span<const rt::In<routed::v1::MessageReported>> ins, pg::Tx& tx,
                               rt::Out<changes::v1::NumberProven>& out) const {
    pg::Columns messages(4);
    std::set<std::string> names;
    SeenNumbers seen;
    for (const auto& in : ins) {
        const auto& e = in.event;
        auto name = message_name(e.message());
        messages.row({e.receipt().provider(), name, e.company_id(), e.phone()});
        names.insert(std::move(name));
        auto sent = e.message().has_sent_at_us() ? std::optional(from_micros(e.message().sent_at_us())) : std::nullopt;
        note_use(in, {e.message().company_number(), directory::Purpose::text, sent}, seen, out);
    }
    tx.write(sql::remember_calls, messages.params());
    tx.write(sql::wake_held, {pg::Param::array(std::vector<std::string>(names.begin(), names.end()))});
    seen.write(tx);
}

void Router::remember_jobs(std::span<const rt::In<analysis::v1::JobSubmitted>> ins, pg::Tx& tx, rt::Out<>&) const {
    pg::Columns rows(4);
    std::set<std::string> names;
    auto remember = [&](std::string name, const analysis::v1::JobSubmitted& e) {
        rows.row({"shunya", name, e.company_id(), e.phone()});
        names.insert(std::move(name));
    };
    for (const auto& in : ins) {
        if (!in.event.shunya_job_id().empty()) remember("job:" + in.event.shunya_job_id(), in.event);
        if (in.event.call_id() != 0) remember("call:" + std::to_string(in.event.call_id()), in.event);
    }
    if (rows.rows() == 0) return;
    tx.write(sql::remember_calls, rows.params());
    tx.write(sql::wake_held, {pg::Param::array(std::vector<std::string>(names.begin(), names.end()))});
}

bool Router::release_page(pg::Connection& db, const std::optional<std::vector<std::string>>& names, Instant& after,
                          Uuid& after_id) const {
    auto tx = db.begin(pg::Scope::none());
    auto rows = names ? tx.many<HeldRow>(sql::held_due, {after, after_id, pg::Param::array(*names)})
                      : tx.many<HeldRow>(sql::held_page, {after, after_id});
    if (rows.empty()) return false;
    std::vector<std::optional<pb::ProviderEvent>> events_of(rows.size());
    Remembered known;
    SeenNumbers seen;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        pb::ProviderEvent event;
        if (!rows[i].known || !events::parse_into(event, rows[i].record)) continue;
        if (read_anew(event)) {
            Release(tx, rows[i]).keep(event);
            rows[i].named = false;  // what it waits for is another thing now
        }
        known.ask(event);
        events_of[i] = std::move(event);
        std::string().swap(rows[i].record);
    }
    known.look_up(tx);
    int n = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        after = row.received_at;
        after_id = row.id;
        Release held(tx, row);
        if (!row.known) {
            if (row.asked) tx.write(sql::stays_held, {row.id});
        } else if (!events_of[i]) {
            held.cannot("Its record cannot be read",
                        "It was written past Otto, or by a later version of it; its raw body is on record.");
        } else if (events_of[i]->has_job()) {
            const auto decision = known.of_job(*events_of[i], companies_);
            n += held.go(std::move(*events_of[i]), decision);
        } else if (names_its_call(*events_of[i])) {
            const auto decision = decide_of_call(*events_of[i], known.of_call(*events_of[i]));
            n += held.go(std::move(*events_of[i]), decision);
        } else {
            const auto of_message = known.of_message(*events_of[i]);
            const auto decision = decide(*events_of[i], of_message);
            if (const auto* stays = std::get_if<Held>(&decision)) note_seen(*events_of[i], *stays, companies_, seen);
            n += held.go(std::move(*events_of[i]), decision);
        }
        events_of[i].reset();
    }
    seen.write_alone(tx);
    tx.commit();
    kReleased().inc(n);
    return true;
}

void Router::release(pg::Connection& db) const {
    // What waits is tried when something in the directory changed that it names; all of it by a router that is new, or has lost
    // count, and each hour, for a number's time may come without a change.
    constexpr std::chrono::minutes all_again{60};
    auto now = std::chrono::steady_clock::now();
    auto changes = companies_.changed_since(tried_generation_);
    if (!tried_all_ || now - *tried_all_ > all_again) changes.names.reset();
    Instant after{};
    Uuid after_id;
    while (release_page(db, changes.names, after, after_id)) {
    }
    tried_generation_ = changes.generation;
    if (!changes.names) tried_all_ = now;
}

void Router::count(pg::Connection& db, tel::Shares& gauges) const {
    constexpr Millis count_again{10'000};
    auto now = std::chrono::steady_clock::now();
    if (!count_at_ || now >= *count_at_) {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::count_held, {}, [&](const pg::Fields& f) { waiting_ = f.number("n"); });
        tx.each(sql::limit_accounts, {limits_.events, limits_.bytes}, [](const pg::Fields& f) {
            if (f.boolean("limited"))
                tel::warn("too much waits on a company's account: unproven webhooks for it are refused",
                          {{"company_id", f.text("company_id")}});
            else
                tel::info("what waits on a company's account is within the limit again", {{"company_id", f.text("company_id")}});
        });
        tx.commit();
        // Counting goes through all that waits: a fiftieth of the time is the most it gets.
        auto counted = std::chrono::steady_clock::now();
        count_at_ = counted + std::max<std::chrono::steady_clock::duration>(count_again, 50 * (counted - now));
    }
    gauges.set(kHeldEvents, {}, waiting_);
}

}  // namespace otto::tenant_router
