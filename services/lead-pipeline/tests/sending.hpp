#pragma once
// Twilio, played, and the queues by which texts leave; time goes on by a statement.
#include <deque>
#include <map>
#include <set>

#include "base/json.hpp"
#include "books/message_book.hpp"
#include "runtime/work_queue.hpp"
#include "sender/numbers.hpp"
#include "sender/queues.hpp"
#include "sender/sender.hpp"
#include "sender/statuses.hpp"
#include "texts.hpp"

namespace otto::lead_pipeline::tests {

namespace twilio = providers::twilio;

/// No exception that anybody catches: the process is gone, and its lease stays.
struct Died {};

/// What Twilio does with a request to send.
enum class Does { take, take_and_reset, take_and_fail, reset, list_later, busy, reject, let_nobody_in };

inline std::string rfc2822(Instant at) {
    auto t = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(at));
    std::tm tm{};
    ::gmtime_r(&t, &tm);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    return text;
}

struct FakeTwilio {
    struct Message {
        std::string sid, from, to, body, direction = "outbound-api", status = "queued";
        Instant created{};
        Instant listed_from{};
    };
    std::deque<Message> taken;
    std::vector<twilio::NewText> asked;
    std::vector<std::string> as;                                ///< account and password of each request
    std::deque<Does> next;                                      ///< of each request to send; nothing: it takes it
    std::set<std::string> never;                                ///< words that it rejects each time
    std::function<void(const twilio::NewText&)> before, after;  ///< it takes it, the answer is on its way
    bool answers = true;                                        ///< to questions about what it has
    int questions = 0;

    static twilio::ListedMessage listed(const Message& m) {
        JsonWriter w;
        w.begin_object().key("messages").begin_array().begin_object();
        w.member("sid", m.sid).member("account_sid", "AC1").member("direction", m.direction).member("from", m.from);
        w.member("to", m.to).member("body", m.body).member("status", m.status).member("num_segments", "1");
        w.member("num_media", "0").member("date_created", rfc2822(m.created)).key("date_sent").null();
        w.key("error_code").null().key("error_message").null().end_object().end_array().key("next_page_uri").null().end_object();
        auto page = twilio::read_messages(w.text()).value();
        page.messages.at(0).created = std::chrono::floor<std::chrono::seconds>(m.created);
        return page.messages.at(0);
    }
    const Message& take(const twilio::NewText& t) {
        taken.push_back(
            {"SM" + t.body + std::to_string(taken.size()), t.from, t.to, t.body, "outbound-api", "queued", system_clock().now()});
        return taken.back();
    }
    twilio::SendOutcome send(const twilio::Account& a, const twilio::NewText& t) {
        using Kind = twilio::ApiError::Kind;
        asked.push_back(t);
        as.push_back(a.sid + " " + a.password.reveal());
        if (before) before(t);
        auto does = next.empty() ? Does::take : next.front();
        if (!next.empty()) next.pop_front();
        if (never.contains(t.body)) does = Does::reject;
        auto answer = [&]() -> twilio::SendOutcome {
            switch (does) {
                case Does::take:
                    return twilio::Taken{listed(take(t))};
                case Does::take_and_reset:
                    take(t);
                    return twilio::InDoubt{"the answer was lost"};
                case Does::take_and_fail:
                    take(t);
                    return twilio::InDoubt{"Twilio answered 500"};
                case Does::list_later:
                    take(t);
                    taken.back().listed_from = system_clock().now() + std::chrono::seconds(30);
                    return twilio::InDoubt{"the answer was lost"};
                case Does::reset:
                    return twilio::InDoubt{"the answer was lost"};
                case Does::busy:
                    return twilio::NotTaken{{Kind::busy, "Twilio answered 429", 20429, Millis{7'000}}};
                case Does::reject:
                    return twilio::Rejected{21211, "That is no number."};
                default:
                    return twilio::NotTaken{{Kind::refused, "Twilio answered 401, error 20003.", 20003}};
            }
        }();
        if (after) after(t);
        return answer;
    }
    twilio::Reply<twilio::MessagePage> list(const std::string& from, const std::string& to) {
        ++questions;
        if (!answers) return twilio::ApiError{twilio::ApiError::Kind::no_answer, "Twilio does not answer"};
        twilio::MessagePage page;
        for (auto m = taken.rbegin(); m != taken.rend(); ++m)
            if (m->listed_from <= system_clock().now() && m->from == from && m->to == to) page.messages.push_back(listed(*m));
        return page;
    }
    twilio::Reply<twilio::ListedMessage> message(const std::string& sid) {
        ++questions;
        if (!answers) return twilio::ApiError{twilio::ApiError::Kind::no_answer, "Twilio does not answer"};
        for (const auto& m : taken)
            if (m.sid == sid) return listed(m);
        return twilio::ApiError{twilio::ApiError::Kind::not_found, "Twilio answered 404", 20404};
    }
    std::size_t times(const std::string& body) const {
        return static_cast<std::size_t>(
            std::count_if(taken.begin(), taken.end(), [&](const Message& m) { return m.body == body; }));
    }
};

inline const std::string kTheirs = "+12025550100", kMine = "+15205232772";
/// Parts of texts a second: none waits for its number's pace, however quick the database is.
constexpr double kUnpaced = 1e6;

/// Hours that are quiet at this moment and end in an hour and a half, on the clocks of a zone: whenever a test runs.
inline QuietHours quiet_now(const std::string& zone) {
    auto minute = std::stoi(Db::shared().value(
        "SELECT (extract(hour FROM now() AT TIME ZONE $1) * 60 + extract(minute FROM now() AT TIME ZONE $1))::int::text AS v",
        {zone}));
    return {(minute + 23 * 60) % (24 * 60), (minute + 90) % (24 * 60)};
}
/// As clocks show their end.
inline std::string end_of(const QuietHours& quiet) {
    auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    return two(quiet.to / 60) + ":" + two(quiet.to % 60);
}

/// A company that sends.
struct World {
    CompanyId company;
    FakeTwilio twilio;
    Terms terms;
    bool known = true;
    std::function<std::optional<std::string>(pg::Tx&, const MessageKey&, Instant)> unwanted =
        [](auto&&...) -> std::optional<std::string> { return std::nullopt; };
    std::function<void()> asked_for_terms = [] {};
    pg::Pool pool{Db::shared().service_url(), "sending", 8, pg::SessionLimits{}, Millis{20'000}};
    TermsOf terms_of = [this](const CompanyId& c) -> std::optional<Terms> {
        if (c == company) asked_for_terms();
        return known && c == company ? std::optional(terms) : std::nullopt;
    };
    Numbers numbers{terms_of};
    Sender sender{{terms_of, [this](const twilio::Account& a, const twilio::NewText& t) { return twilio.send(a, t); },
                   [this](const twilio::Account&, const std::string& from, const std::string& to, const std::string&) {
                       return twilio.list(from, to);
                   },
                   [this](pg::Tx& tx, const MessageKey& key, const std::string&, Instant now) { return unwanted(tx, key, now); },
                   "https://otto.example/status?m="}};
    Statuses statuses{{terms_of, [this](const twilio::Account&, const std::string& sid) { return twilio.message(sid); }}};
    rt::WorkQueue releasing{rt::work_of<&Numbers::release>(std::string(kTextNumbers), numbers), 1};
    rt::WorkQueue sending{rt::work_of<&Sender::next>(std::string(kTexts), sender, {.threads = 8, .share = 0.25}), 8};
    rt::WorkQueue asking{rt::work_of<&Statuses::next>(std::string(kTextStatuses), statuses), 2};

    World() : company("org_texts_" + std::to_string(++count())) {
        terms.account = twilio::Account::with_token("AC1", Secret("token"));
        terms.credentials = "hash of token";
        terms.rate = kUnpaced;
        terms.quiet = {0, 0};
        terms.zone = "America/New_York";
        terms.numbers.push_back({kMine, false, true, {}, {}, directory::Standing::proven, "twilio"});
        write("INSERT INTO companies (id, name, phone_number, timezone) VALUES ($1, $1, $2, 'America/New_York')",
              {company, "+1202555" + std::to_string(1000 + count())});
    }
    ~World() {
        write("DELETE FROM work WHERE company_id = $1", {company});
        write("DELETE FROM text_sends WHERE company_id = $1", {company});
    }
    static int& count() {
        static int n = 0;
        return n;
    }
    void write(const std::string& sql, pg::Params params) { Db::shared().write(sql, std::move(params)); }
    std::string look(const std::string& sql) { return Db::shared().value(sql, {company}); }

    /// Accepted, as the command does it.
    std::string accept(const std::string& body, const std::string& to = kTheirs, bool automatic = false,
                       std::optional<Instant> not_before = {}) {
        auto id = Uuid::v7(system_clock().now());
        auto tx = Db::shared().service.begin(pg::Scope::company(company));
        MessageBook book(tx);
        OwnText text{company, to, kMine, body, automatic ? std::nullopt : std::optional<std::string>("user_1"), id};
        text.automatic = automatic;
        if (automatic) text.reason = "reminder";
        text.not_before = not_before;
        book.write(text);
        book.settle();
        tx.commit();
        return id.to_string();
    }
    /// So much time goes by.
    void age(int seconds) {
        auto by = std::to_string(seconds) + " seconds";
        for (auto& m : twilio.taken) {
            m.created -= std::chrono::seconds(seconds);
            m.listed_from -= std::chrono::seconds(seconds);
        }
        write(
            "UPDATE text_sends SET asked_at = asked_at - $2::interval, looked_at = looked_at - $2::interval WHERE company_id = "
            "$1",
            {company, by});
        write(
            "UPDATE messages SET asked_at = asked_at - $2::interval, scheduled_at = scheduled_at - $2::interval WHERE company_id "
            "= $1",
            {company, by});
        write("UPDATE text_paces SET free_at = free_at - $2::interval WHERE company_id = $1", {company, by});
        write("UPDATE text_pauses SET until = until - $2::interval WHERE company_id = $1", {company, by});
        write(
            "UPDATE work SET due_at = due_at - $2::interval, leased_until = leased_until - $2::interval WHERE company_id = $1 "
            "AND due_at < "
            "'infinity'",
            {company, by});
    }
    /// All that is due.
    void run() {
        for (bool more = true; more;) {
            while (releasing.run_one(pool)) {
            }
            more = sending.run_one(pool);
        }
    }
    /// How texts stand is asked, where that is due.
    void ask() {
        while (asking.run_one(pool)) {
        }
    }
    void pass(int seconds) {
        age(seconds);
        run();
    }
    /// Whoever was at work is gone.
    void die(const std::function<void()>& at_work) {
        try {
            at_work();
        } catch (const Died&) {
        }
        write("UPDATE work SET leased_until = now() - interval '1 second' WHERE company_id = $1 AND lease IS NOT NULL",
              {company});
    }
    std::string of(const std::string& id, const std::string& what) {
        return Db::shared().value("SELECT " + what + " AS v FROM messages WHERE company_id = $1 AND id = $2", {company, id});
    }
    std::string status(const std::string& id) { return of(id, "status"); }
    std::string sid(const std::string& id) { return of(id, "coalesce(provider_message_id, '')"); }
    /// "" once its fate is known.
    std::string state(const std::string& id) {
        return Db::shared().value("SELECT state AS v FROM text_sends WHERE company_id = $1 AND message_id = $2", {company, id});
    }
    std::string why(const std::string& id) {
        return Db::shared().value("SELECT why AS v FROM text_sends WHERE company_id = $1 AND message_id = $2", {company, id});
    }
    std::string paused() { return look("SELECT why AS v FROM text_pauses WHERE company_id = $1"); }
    void says(const std::string& body, int second) {
        record(company.value(), {text("in " + body + std::to_string(second), body, second, kTheirs)});
    }
    void calls_back(const std::string& id, const std::string& sid, const std::string& status_word) {
        auto told = tests::status(sid, status_word, 5'000);
        told.id += id;
        told.report.set_our_message_id(id);
        record(company.value(), {told});
    }
};

}  // namespace otto::lead_pipeline::tests
