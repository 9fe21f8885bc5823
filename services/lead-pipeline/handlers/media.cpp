#include "handlers/media.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

const tel::Counters kFetched{"otto_text_media_total", "What came with texts, by what became of it.", {"outcome"}};

constexpr Millis kDirectory{1'000};  ///< until it is looked again whether the companies are known
constexpr int kFewTries = 4;         ///< for what is not there: a link that is over does not come back
constexpr int kTries = 12;           ///< for what may pass: half a day
constexpr Millis kLongestPause{7'200'000};

struct Row {
    std::string provider, media;
    static Row from(const pg::Fields& f) { return {f.text("provider"), f.text("media")}; }
};

/// 2, 8, 32 s and so on, up to two hours.
Millis pause_after(int tries) { return std::min(kLongestPause, Millis{2'000ll << 2 * std::clamp(tries - 1, 0, 8)}); }

/// A media type as its sender wrote it, if it is one.
bool is_type(std::string_view text) {
    return text.size() < 100 && text.find('/') != std::string_view::npos &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.+-") == std::string_view::npos;
}

}  // namespace

/// One thing that came, as it stands in the column `media`.
struct Media::Item {
    std::int64_t n = 0, tries = 0;
    std::string state, url, content_type, why, object_key;
    bool of_deployment = false;
    std::optional<std::int64_t> bytes;

    static std::vector<Item> of(std::string_view column) {
        std::vector<Item> items;
        auto all = JsonDocument::parse(column);
        for (std::size_t i = 0; all.ok() && i < all->root().size(); ++i) {
            auto v = all->root().at(i);
            auto text = [&](std::string_view name) { return std::string(v[name].string().value_or("")); };
            items.push_back({v["n"].integer().value_or(static_cast<std::int64_t>(i)), v["tries"].integer().value_or(0),
                             text("state"), text("url"), text("content_type"), text("why"), text("object_key"),
                             v["of_deployment"].boolean().value_or(false), v["bytes"].integer()});
        }
        return items;
    }
    static std::string column(const std::vector<Item>& items) {
        JsonWriter w;
        w.begin_array();
        for (const auto& i : items) {
            w.begin_object().member("n", i.n).member("state", i.state).member("url", i.url);
            for (auto [name, text] :
                 {std::pair{"content_type", &i.content_type}, std::pair{"why", &i.why}, std::pair{"object_key", &i.object_key}})
                if (!text->empty()) w.member(name, *text);
            if (i.of_deployment) w.member("of_deployment", true);
            if (i.bytes) w.member("bytes", *i.bytes);
            if (i.tries > 0 && i.pending()) w.member("tries", i.tries);
            w.end_object();
        }
        return w.end_array().take();
    }
    bool pending() const { return state == "pending"; }
};

/// What a turn found out about one of them.
struct Media::Became {
    Item item;       ///< as it is from now on
    Millis pause{};  ///< until it is asked for again, if it is still to be had
};

/// Only what Twilio says of its own texts is asked for with an account, and with that which proved the text: whoever can sign for
/// a company may name any address.
std::optional<std::vector<Media::MaybeAccount>> Media::accounts_of(const rt::Lease& lease, std::string_view provider,
                                                                   const std::vector<Item>& items) const {
    if (provider != "twilio") return std::vector<MaybeAccount>(items.size());
    std::vector<MaybeAccount> out;
    for (const auto& item : items) {
        auto account = outside_.account(lease.company, item.of_deployment);
        if (!account) return std::nullopt;
        out.push_back(std::move(*account));
    }
    return out;
}

Media::Became Media::ask(const rt::Lease& lease, const Item& asked, const MaybeAccount& account) const {
    Became b{asked, {}};
    auto& item = b.item;
    auto over = [&](std::string state, std::string why) {
        item.state = std::move(state);
        item.why = std::move(why);
    };
    if (item.n >= static_cast<std::int64_t>(kMost)) {
        over("failed", "of a text the first " + std::to_string(kMost) + " are kept");
        return b;
    }
    auto again = [&](const std::string& why, const std::string& cure, int most, Millis at_least) {
        item.why = why + (cure.empty() ? "" : "; " + cure);
        if (++item.tries >= most) return over("failed", item.why);
        b.pause = std::max(pause_after(static_cast<int>(item.tries)), at_least);
    };
    auto outcome = outside_.fetch({item.url, account}, [&] { return lease.stopping(); });
    if (auto* got = std::get_if<providers::Attachment>(&outcome)) {
        auto key = lease.company.value() + "/messages/" + lease.key + "/" + std::to_string(item.n);
        auto bytes = static_cast<std::int64_t>(got->file.bytes());
        if (auto put = outside_.store.put(key, std::move(got->file)); !put) {
            again("it could not be stored: " + put.error().message, put.error().hint, kTries, {});
        } else {
            over("stored", "");
            item.object_key = std::move(key);
            item.bytes = bytes;
            if (got->kind.ending != "bin" || !is_type(item.content_type)) item.content_type = got->kind.type;
        }
    } else if (auto* large = std::get_if<providers::TooLarge>(&outcome)) {
        over("too_large", large->why);
    } else if (auto* never = std::get_if<providers::Never>(&outcome)) {
        over("failed", never->why);
    } else if (auto* not_yet = std::get_if<providers::NotYet>(&outcome)) {
        again(not_yet->why, "", kFewTries, {});
    } else if (!lease.stopping()) {
        const auto& failure = std::get<providers::Again>(outcome);
        again(failure.why, failure.cure, kTries, failure.after.value_or(Millis{0}));
        tel::warn("what came with a text cannot be fetched", {{"company_id", lease.company.value()},
                                                              {"message_id", lease.key},
                                                              {"n", item.n},
                                                              {"why", failure.why},
                                                              {"detail", failure.detail}});
    }
    return b;
}

/// Each as it became, unless another report has put something else in its place meanwhile.
std::optional<Instant> Media::settle(pg::Tx& tx, const rt::Lease& lease, const std::vector<Became>& found) const {
    auto row = tx.maybe<Row>(sql::lock_media, {lease.company, lease.key});
    if (!row) return std::nullopt;
    auto items = Item::of(row->media);
    std::optional<Instant> due;
    std::vector<std::string> outcomes;
    for (auto& item : items) {
        if (!item.pending()) continue;
        auto became = std::find_if(found.begin(), found.end(),
                                   [&](const Became& b) { return b.item.n == item.n && b.item.url == item.url; });
        Millis pause{};
        if (became != found.end()) {
            item = became->item;
            pause = became->pause;
            outcomes.push_back(item.state);
        }
        if (item.pending()) due = std::max(due.value_or(Instant{}), lease.now + pause);
    }
    if (!outcomes.empty()) {
        std::int64_t version = 0;
        tx.each(sql::save_media, {lease.company, lease.key, Item::column(items)},
                [&](const pg::Fields& f) { version = f.integer("version"); });
        emitter_.emit(tx, events::row_changed(lease.company, "message", lease.key, version), tel::TraceContext::fresh());
    }
    tx.on_commit([outcomes] {
        for (const auto& outcome : outcomes) kFetched({outcome == "pending" ? "again" : outcome}).inc();
    });
    return due;
}

std::optional<Instant> Media::next(rt::Lease& lease) const {
    auto row = lease.read([&](pg::Tx& tx) { return tx.maybe<Row>(sql::media_of_message, {lease.company, lease.key}); });
    if (!row) return std::nullopt;
    auto items = Item::of(row->media);
    std::erase_if(items, [](const Item& item) { return !item.pending(); });
    if (items.empty()) return std::nullopt;
    auto accounts = accounts_of(lease, row->provider, items);
    if (!accounts) return lease.note([&](pg::Tx&) { return lease.now + kDirectory; });
    std::vector<Became> found;
    for (std::size_t i = 0; i < items.size() && !lease.stopping(); ++i) found.push_back(ask(lease, items[i], (*accounts)[i]));
    return lease.settle([&](pg::Tx& tx) { return settle(tx, lease, found); });
}

}  // namespace otto::lead_pipeline
