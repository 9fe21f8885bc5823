#include "twilio_messages.hpp"

#include <algorithm>

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "words.hpp"

namespace otto::company_service {

namespace pb = otto::inbound::v1;
namespace twilio = providers::twilio;
using namespace std::chrono_literals;

namespace {

constexpr auto kOverlap = 1h;
constexpr auto kFirst = 24h;
constexpr auto kWebhook = 2min;          ///< after a text was sent its webhook comes at the latest
constexpr auto kDelivery = 10h;          ///< after a text was sent Twilio tries to deliver it no longer
constexpr std::size_t kMostMedia = 300;  ///< requests of one page for what came with texts

const tel::Counters kFound{
    "otto_swept_messages_total", "Texts that Twilio listed and we did not have, or had otherwise.", {"found"}};

struct MessageEntry : Listed {
    twilio::ListedMessage message;
};

const twilio::ListedMessage& message_of(const Listed& listed) { return static_cast<const MessageEntry&>(listed).message; }

twilio::Account as_account(const SweptAccount& a) { return {a.id, a.user.empty() ? a.id : a.user, a.key}; }

/// The contract names them in the order in which a text goes through them.
std::size_t rank_of(std::string_view status) {
    const auto& all = words::message_status;
    return static_cast<std::size_t>(std::find(std::begin(all), std::end(all), status) - std::begin(all));
}

/// It is on its way, and nothing has been sent yet.
bool waiting(std::string_view status) { return status == "scheduled" || status == "queued" || status == "sending"; }

}  // namespace

std::vector<std::string> differences(const twilio::ListedMessage& listed, std::string_view known_status, bool known_body) {
    std::vector<std::string> out;
    if (!listed.status.empty() && rank_of(listed.status) > rank_of(known_status)) out.emplace_back("status");
    if (listed.event->message().has_body() && !known_body) out.emplace_back("body");
    return out;
}

pb::ProviderEvent swept_event(const twilio::ListedMessage& listed, const std::string& company_id, const std::string& account_sid,
                              Instant asked_at, bool by_deployment) {
    auto event = *listed.event;
    event.set_kind("message.swept");
    event.mutable_addressee()->set_account_id(account_sid);
    auto& receipt = *event.mutable_receipt();
    receipt.set_provider("twilio");
    receipt.set_request_target("/2010-04-01/Accounts/" + account_sid + "/Messages.json");
    receipt.set_content_type("application/json");
    receipt.set_raw_body(listed.json);
    receipt.set_received_at_us(to_micros(asked_at));
    receipt.set_verdict(pb::VERDICT_AUTHENTIC);
    receipt.set_proven_company_id(company_id);
    receipt.set_proven_by_deployment(by_deployment);
    receipt.set_swept(true);
    return event;
}

TwilioMessages::TwilioMessages(const app::Settings& s, const twilio::Client& client, const directory::Companies& companies,
                               Millis pace)
    : keys_(s), deployment_(twilio::deployment_account(s)), twilio_(client), companies_(companies), pace_(pace) {}

const SweptList::Names& TwilioMessages::names() const {
    static const Names names{"twilio",
                             "Twilio",
                             kTwilioSweeps,
                             "provider_message_id",
                             "a text's webhook never came",
                             "a text is listed before its webhook came",
                             "Twilio knows a text otherwise",
                             "a text to a number that nobody registered waits",
                             sql::twilio_sweep_state,
                             sql::begin_twilio_sweep,
                             sql::note_twilio_page,
                             sql::end_twilio_sweep,
                             kFound};
    return names;
}

bool TwilioMessages::concerns(const directory::Profile& profile, const std::optional<std::string>& account) const {
    const auto& id = profile.account("twilio").id;
    return (!id.empty() && (!account || id == *account)) || may_be_guest(profile, account);
}

bool TwilioMessages::may_be_guest(const directory::Profile& profile, const std::optional<std::string>& account) const {
    return deployment_ && (!account || deployment_->sid == *account) &&
           std::any_of(profile.numbers.begin(), profile.numbers.end(), [](const auto& n) { return n.text; });
}

std::vector<SweptList::Credentials> TwilioMessages::credentials(pg::Tx& tx, const directory::Profile& profile) const {
    std::vector<Credentials> out;
    const auto& id = profile.id.value();
    if (!profile.account("twilio").id.empty())
        tx.each(sql::twilio_account, {id}, [&](const pg::Fields& f) {
            auto sealed = f.maybe_text("twilio_auth_token");
            auto sid = f.maybe_text("twilio_account_sid");
            if (!sealed || !sid) return;
            if (auto token = keys_.open(*sealed, seal_place(id, "twilio_auth_token")))
                out.push_back({*sid, "", *token, {}});
            else
                tel::error("a company's Twilio token cannot be opened: its texts are not swept",
                           {{"company_id", id}, {"why", token.error().message}, {"cure", token.error().hint}});
        });
    if (may_be_guest(profile, {})) {
        bool has_one = false;
        tx.each(sql::numbers_of_provider, {id, "twilio"}, [&](const pg::Fields&) { has_one = true; });
        if (has_one) out.push_back({deployment_->sid, deployment_->user, deployment_->password, {}});
    }
    return out;
}

Instant TwilioMessages::from(std::optional<Instant> watermark, std::optional<Instant>, Instant now) const {
    return watermark ? *watermark - kOverlap : now - kFirst;
}

std::variant<SweptList::Page, SweptList::Refusal> TwilioMessages::page(const SweptAccount& account, Instant from, Instant to,
                                                                       const std::string& next,
                                                                       const tel::TraceContext& trace) const {
    const auto asked = system_clock().now();
    auto reply = twilio_.messages(as_account(account), from, to, next, trace);
    if (const auto* error = std::get_if<twilio::ApiError>(&reply)) {
        if (error->kind == twilio::ApiError::Kind::busy) return Refusal{error->why, true, error->after};
        return Refusal{error->not_let_in() ? error->why + ": check account SID and auth token, and connect Twilio again"
                                           : error->why};
    }
    auto& list = std::get<twilio::MessagePage>(reply);
    Page page;
    page.unreadable = std::move(list.unreadable);
    page.next = std::move(list.next);
    for (auto& message : list.messages) {
        auto entry = std::make_unique<MessageEntry>();
        entry->id = message.sid;
        entry->json = message.json;
        entry->at = message.at;
        const bool young = message.at && *message.at > asked - kDelivery;
        entry->early = message.at && *message.at > asked - kWebhook;
        entry->under_way = young && waiting(message.status);
        entry->settled = !entry->early && !(young && (waiting(message.status) || message.status == "sent"));
        entry->message = std::move(message);
        page.entries.push_back(std::move(entry));
    }
    return page;
}

std::optional<std::size_t> TwilioMessages::owner_of(const SweptAccount& account, const Listed& listed) const {
    const auto& message = message_of(listed);
    const auto& number = message.event->message().company_number();
    const auto now = system_clock().now();
    auto owners = companies_.owners(number, directory::Purpose::text, message.at.value_or(now));
    if (owners.empty()) owners = companies_.owners(number, directory::Purpose::text, now);  // as its webhook is routed
    if (owners.size() != 1) return std::nullopt;  // there are no pools: whoever has the number has registered it
    auto it = std::find_if(account.members.begin(), account.members.end(),
                           [&](const auto& m) { return m.profile->id == owners.front()->id; });
    if (it == account.members.end()) return std::nullopt;
    return static_cast<std::size_t>(it - account.members.begin());
}

std::vector<Compared> TwilioMessages::compare(pg::Tx& tx, const CompanyId& company, const SweptAccount& account,
                                              const std::vector<const Listed*>& entries, Instant asked) const {
    std::vector<std::string> sids;
    for (const auto* entry : entries) sids.push_back(entry->id);
    struct Known {
        std::string status;
        bool body;
    };
    std::map<std::string, Known> known;
    tx.each(sql::known_messages, {company, pg::Param::array(sids)}, [&](const pg::Fields& f) {
        known[f.text("provider_message_id")] = {f.text("status"), f.boolean("has_body")};
    });
    std::vector<Compared> out;
    for (const auto* entry : entries) {
        const auto& message = message_of(*entry);
        auto ours = known.find(message.sid);
        Compared c{entry, ours != known.end(), true, {}, {}};
        if (c.known && !entry->early) c.differs = differences(message, ours->second.status, ours->second.body);
        if (!c.known || !c.differs.empty())
            c.to_enter = [&message, company, sid = account.id, asked, by_deployment = is_deployments(account)] {
                return swept_event(message, company.value(), sid, asked, by_deployment);
            };
        out.push_back(std::move(c));
    }
    return out;
}

std::vector<Compared> TwilioMessages::unowned(pg::Tx& tx, const SweptAccount& account, const std::vector<const Listed*>& entries,
                                              Instant asked) const {
    const bool by_deployment = is_deployments(account);
    const auto whose = by_deployment ? CompanyId{} : account.members.front().profile->id;
    // What waits on an account is limited, however it comes.
    if (auto now = by_deployment ? nullptr : companies_.find(whose); now && now->held_limited) return {};
    std::map<std::string, const Listed*> came_in;  // by the name under which the router knows it
    for (const auto* entry : entries)
        if (entry->settled && message_of(*entry).event->message().direction() == "inbound")
            came_in.emplace("message:" + entry->id, entry);
    if (came_in.empty()) return {};
    std::vector<std::string> names;
    for (const auto& [name, entry] : came_in) names.push_back(name);
    tx.each(sql::taken_messages, {pg::Param::array(names)}, [&](const pg::Fields& f) { came_in.erase(f.text("name")); });
    std::vector<Compared> out;
    for (const auto& [name, entry] : came_in) {
        Compared c{entry, false, false, {}, {}};
        c.to_enter = [&message = message_of(*entry), whose, sid = account.id, asked, by_deployment] {
            return swept_event(message, whose.value(), sid, asked, by_deployment);
        };
        out.push_back(std::move(c));
    }
    return out;
}

void TwilioMessages::complete(const SweptAccount& account, std::vector<Compared>& compared, const std::function<bool()>& may_ask,
                              const tel::TraceContext& trace) const {
    std::size_t asked = 0;
    for (auto& c : compared) {
        const auto& message = message_of(*c.listed);
        if (!c.to_enter || message.media == 0 ||
            (c.known && std::find(c.differs.begin(), c.differs.end(), "body") == c.differs.end()))
            continue;
        auto postpone = [&] { c.to_enter = nullptr, c.known = false; };
        if (++asked > kMostMedia || !may_ask()) {
            postpone();
            continue;
        }
        auto reply = twilio_.media(as_account(account), message.sid, trace);
        if (const auto* error = std::get_if<twilio::ApiError>(&reply)) {
            if (error->kind != twilio::ApiError::Kind::not_found) postpone();
            continue;  // what is gone there is gone: the text itself enters
        }
        for (const auto& item : std::get<std::vector<twilio::ListedMedia>>(reply)) {
            auto& media = *message.event->mutable_message()->add_media();
            media.set_url(item.url);
            media.set_content_type(item.content_type);
        }
    }
}

}  // namespace otto::company_service
