#include "sender/numbers.hpp"

#include <map>
#include <set>

#include "lead-pipeline/sql.hpp"
#include "rows/keys.hpp"
#include "rules/pace.hpp"
#include "runtime/deliveries.hpp"
#include "sender/pauses.hpp"

namespace otto::lead_pipeline {
namespace {

const tel::SharedGauges kOldest{
    "otto_texts_oldest_seconds",
    "How long the oldest text has waited to leave: at its number's pace, or of a company that is paused.",
    {"state"}};

constexpr Millis kUnknown{1'000};     ///< until it is looked again whether the companies are known
constexpr Millis kCrowded{500};       ///< while as much as may be is on its way
constexpr Millis kInOtherHands{200};  ///< while somebody else is at work on a text

}  // namespace

/// One number, and who of its line may leave next.
struct Numbers::Look {
    struct Text {
        Uuid id;
        std::int64_t segments;
    };
    rt::Due* due;
    double rate = 1;
    std::optional<Instant> held_until = {};  ///< none of its company's may leave before
    std::optional<Instant> free_at = {};
    double on_the_way = 0;
    std::vector<Text> waiting = {};

    Pace pace() const { return {free_at, rate, due->now}; }
    struct Taken {
        Pace pace;
        std::size_t texts = 0;
        bool refused = false;
    };
    /// In their order, as many as may leave; `take` says whether one does.
    Taken each(const std::function<bool(const Text&)>& take) const {
        Taken taken{pace()};
        auto on_its_way = on_the_way;
        for (const auto& text : waiting) {
            if (held_until || !taken.pace.may() || on_its_way >= taken.pace.on_the_way()) break;
            if (!take(text)) {
                taken.refused = true;
                continue;
            }
            ++taken.texts;
            taken.pace.take(text.segments);
            on_its_way += static_cast<double>(text.segments);
        }
        return taken;
    }
};

/// The companies of a look.
struct Numbers::Judged {
    std::optional<Terms> terms;
    std::optional<Pause> pause;
    std::optional<Instant> until;  ///< none of its texts may leave before
};

std::map<CompanyId, Numbers::Judged> Numbers::judge(std::span<rt::Due> due, pg::Tx& tx) const {
    std::set<CompanyId> companies;
    for (const auto& d : due) companies.insert(d.company);
    auto pauses = pauses_of(tx, companies);
    std::map<CompanyId, Judged> judged;
    for (const auto& company : companies) {
        const auto now = due.front().now;
        auto& j = judged[company];
        j.terms = terms_(company);
        if (auto found = pauses.find(company); found != pauses.end()) j.pause = std::move(found->second);
        j.until = j.terms ? held_until(*j.terms, j.pause, now) : now + kUnknown;
    }
    return judged;
}

std::vector<Numbers::Look> Numbers::looks(std::span<rt::Due> due, const std::map<CompanyId, Judged>& judged, pg::Tx& tx) const {
    std::vector<Look> out;
    pg::Columns asked(3);
    for (auto& d : due) {
        const auto& j = judged.at(d.company);
        out.push_back({&d, j.terms ? j.terms->rate : 1, j.until});
        asked.row({d.company, d.key, out.back().pace().most() + 1});  // one more: whether any is left
    }
    tx.each(sql::texts_waiting, asked.params(), [&](const pg::Fields& f) {
        auto& look = out.at(static_cast<std::size_t>(f.integer("n")) - 1);
        look.free_at = f.time("free_at");
        look.on_the_way = f.number("on_the_way");
        if (auto id = f.maybe_uuid("message_id")) look.waiting.push_back({*id, f.integer("segments")});
    });
    return out;
}

void Numbers::release(std::span<rt::Due> due, pg::Tx& tx) const {
    if (due.empty()) return;
    const auto companies = judge(due, tx);
    const auto all = looks(due, companies, tx);
    pg::Columns chosen(2);
    for (const auto& look : all)
        look.each([&](const Look::Text& text) {
            chosen.row({look.due->company, text.id});
            return true;
        });
    std::set<MessageKey> released;
    if (chosen.rows() > 0)
        tx.each(sql::release_texts, chosen.params(),
                [&](const pg::Fields& f) { released.emplace(CompanyId{f.text("company_id")}, f.uuid("message_id")); });
    pg::Columns paces(3);
    for (const auto& look : all) {
        auto taken = look.each([&](const Look::Text& text) { return released.contains({look.due->company, text.id}); });
        if (taken.texts > 0) paces.row({look.due->company, look.due->key, taken.pace.free_at()});
        if (taken.texts == look.waiting.size()) continue;  // none is left
        const auto now = look.due->now;
        look.due->again = look.held_until    ? *look.held_until
                          : taken.refused    ? now + kInOtherHands
                          : taken.pace.may() ? now + kCrowded
                                             : taken.pace.free_at();
    }
    if (paces.rows() > 0) tx.write(sql::keep_paces, paces.params());
    for (const auto& [company, j] : companies)
        if (j.terms) keep_pause(tx, company, *j.terms, j.pause, due.front().now);
}

void Numbers::count(pg::Connection& db, tel::Shares& gauges) const {
    pg::Columns numbers(2);
    std::vector<CompanyId> companies;
    {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::sending_numbers, {}, [&](const pg::Fields& f) {
            companies.emplace_back(f.text("company_id"));
            numbers.row({companies.back(), f.text("key")});
        });
        tx.commit();
    }
    double waiting = 0, paused = 0;
    if (!companies.empty()) {
        auto tx = db.begin(pg::Scope::companies(companies));
        tx.each(sql::oldest_texts_waiting, numbers.params(), [&](const pg::Fields& f) {
            waiting = f.number("waiting");
            paused = f.number("paused");
        });
        tx.commit();
    }
    gauges.set(kOldest, {"waiting"}, waiting);
    gauges.set(rt::kDeliveriesOldest, {"text"}, waiting);
    gauges.set(kOldest, {"paused"}, paused);
}

}  // namespace otto::lead_pipeline
