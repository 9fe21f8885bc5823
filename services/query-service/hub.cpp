#include "hub.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "kafka/source.hpp"
#include "telemetry/metrics.hpp"

namespace otto::query_service {
namespace {

const tel::Gauges kStreams{"otto_streams", "Live streams of dashboards that are open."};
const tel::Histograms kLag{"otto_stream_lag_seconds", "From when a row was written to when its change was told to who watches."};
const tel::Counters kResets{
    "otto_stream_resets_total",
    "Streams that were told to ask for everything anew: slow, for more waited than one may have; forgotten, "
    "of who came back too late.",
    {"why"}};
const tel::Counters kEnds{"otto_stream_ends_total", "Streams that were ended, by what they were told.", {"why"}};

/// How often streams are looked at one by one: a removed member's ends within 2 s.
constexpr Millis kMinded{500};

http::StreamBody::Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

std::string event(const char* name, std::string_view data, std::string_view id = {}) {
    std::string out;
    if (!id.empty()) out.append("id: ").append(id).append("\n");
    return out.append("event: ").append(name).append("\ndata: ").append(data).append("\n\n");
}

std::string bye(const char* why) {
    JsonWriter w;
    return event("bye", w.begin_object().member("why", why).end_object().take());
}

std::string reset(const Position& at) { return event("reset", "{}", at.partition < 0 ? "" : at.text()); }

/// A row that changed several times is told of once, as it became last; who lost it is told apart.
template <class Each>
void for_each_last(const auto& begin, const auto& end, const Each& each) {
    std::map<std::tuple<std::string_view, std::string_view, std::string_view>, std::pair<const Change*, bool>> last;
    for (auto k = begin; k != end; ++k) {
        const auto& row = k->change.row;
        auto& of = last[{row.kind(), row.id(), row.former_rep_id()}];
        of.second = of.second || row.op() == changes::v1::OP_CREATED;
        of.first = &k->change;
    }
    for (auto k = begin; k != end; ++k) {
        const auto& row = k->change.row;
        const auto& [change, created] = last.at({row.kind(), row.id(), row.former_rep_id()});
        if (change != &k->change) continue;
        if (created && row.op() == changes::v1::OP_CHANGED) {
            auto made = k->change;
            made.row.set_op(changes::v1::OP_CREATED);
            each(made);
        } else {
            each(k->change);
        }
    }
}

}  // namespace

Hub::Hub(std::shared_ptr<const identity::Members> members) : Hub(std::move(members), Limits()) {}
Hub::Hub(std::shared_ptr<const identity::Members> members, Limits limits) : members_(std::move(members)), limits_(limits) {}

std::int32_t Hub::partition_of(const std::string& company) const {
    return partitions_.empty() ? -1 : kafka::partition_of(company, static_cast<std::int32_t>(partitions_.size()));
}

Hub::Company& Hub::company(const std::string& id) {
    auto [found, fresh] = companies_.try_emplace(id);
    auto& company = found->second;
    if (company.partition < 0) company.partition = partition_of(id);
    if (fresh && company.partition >= 0) company.gone = partitions_.at(company.partition).gone;
    return company;
}

/// Up to where its watchers know everything.
Position Hub::position(const Company& company) const {
    auto partition = partitions_.find(company.partition);
    if (partition == partitions_.end()) return {-1, -1};
    auto read = partition->second.read;
    if (company.fresh > 0) read = company.kept[company.kept.size() - company.fresh].change.offset - 1;
    return {company.partition, read};
}

void Hub::take(std::int32_t partition, Change change) {
    std::lock_guard guard(lock_);
    auto [of, fresh] = partitions_.try_emplace(partition);
    if (fresh) of->second.gone = change.offset - 1;
    of->second.read = change.offset;
    const auto id = change.row.company_id();
    auto [found, unknown] = companies_.try_emplace(id);
    auto& company = found->second;
    if (unknown) company.gone = of->second.gone;
    company.partition = partition;
    order_.emplace_back(id, change.offset);
    company.kept.push_back({std::move(change), Steady::now()});
    if (!company.listeners.empty() && ++company.fresh == 1) due_.push_back(id);
    keep_within_limits(company);
}

void Hub::drop_oldest(Company& company) {
    company.gone = company.kept.front().change.offset;
    company.kept.pop_front();
    if (company.fresh <= company.kept.size()) return;
    company.fresh = company.kept.size();
    company.lost = true;
}

/// What is dropped of a company alone stays in the order of all until it is its turn there, and is passed over then.
void Hub::keep_within_limits(Company& of) {
    if (of.kept.size() > limits_.kept) drop_oldest(of);
    const auto old = Steady::now() - limits_.kept_for;
    while (!order_.empty()) {
        const auto& [id, offset] = order_.front();
        auto found = companies_.find(id);
        if (found != companies_.end() && !found->second.kept.empty() && found->second.kept.front().change.offset == offset) {
            auto& company = found->second;
            if (order_.size() <= limits_.kept_in_all && company.kept.front().taken > old) return;
            drop_oldest(company);
        }
        order_.pop_front();
    }
}

void Hub::read_to(const std::vector<std::pair<std::int32_t, std::int64_t>>& positions) {
    std::lock_guard guard(lock_);
    for (const auto& [partition, next] : positions) {
        auto [of, fresh] = partitions_.try_emplace(partition);
        if (fresh) of->second.gone = next - 1;
        of->second.read = std::max(of->second.read, next - 1);
    }
}

/// One watcher's share. What finds no room takes the place of all that waits: he asks for everything anew.
void Hub::put(Company& company, Listener& listener, const http::StreamBody::Piece& text, Steady::time_point now) {
    auto body = listener.body.lock();
    if (!body || body->ended()) return;
    listener.said = now;
    if (body->write(text)) return;
    if (body->replace(piece(reset(position(company))))) kResets({"slow"}).inc();
}

/// What is fresh of a company goes to who sees it. All of one role see the same, but for reps.
void Hub::tell(Company& company, Steady::time_point now) {
    const auto from = company.kept.end() - static_cast<std::ptrdiff_t>(company.fresh);
    std::map<identity::Role, http::StreamBody::Piece> same;
    auto written = [&](const Watcher& who) {
        std::string out;
        for_each_last(from, company.kept.end(), [&](const Change& change) {
            if (auto seen = sees(who, change.row); seen != Sees::nothing) write_frame(out, company.partition, change, seen);
        });
        return piece(std::move(out));
    };
    auto lag = kLag();
    for (auto k = from; k != company.kept.end(); ++k)
        lag.observe(std::chrono::duration<double>(system_clock().now() - k->change.at).count());
    company.fresh = 0;
    company.told = now;
    const auto anew = std::exchange(company.lost, false) ? piece(reset(position(company))) : nullptr;
    for (auto& listener : company.listeners) {
        auto text = anew;
        if (anew) {
            kResets({"slow"}).inc();
        } else if (listener.who.role == identity::Role::sales_rep) {
            text = written(listener.who);
        } else {
            auto& shared = same[listener.who.role];
            if (!shared) shared = written(listener.who);
            text = shared;
        }
        if (!text->empty()) put(company, listener, text, now);
    }
}

Steady::time_point Hub::turn(Steady::time_point now) {
    std::lock_guard guard(lock_);
    auto next = now + kMinded;
    std::vector<std::string> later;
    for (auto& id : due_) {
        auto found = companies_.find(id);
        if (found == companies_.end() || found->second.fresh == 0) continue;
        auto at = found->second.told + limits_.gathered;
        if (at <= now) {
            tell(found->second, now);
        } else {
            next = std::min(next, at);
            later.push_back(std::move(id));
        }
    }
    due_ = std::move(later);
    if (now - minded_ >= kMinded) {
        minded_ = now;
        mind_all(now);
    }
    return next;
}

/// What ends a watcher's stream beside time: he is none any more, or another's rows are his to see.
const char* Hub::standing(const Watcher& who) const {
    auto member = members_ ? members_->find(who.company.value(), who.user) : std::nullopt;
    if (!member) return nullptr;
    if (member->removed) return "removed";
    bool later = !who.issued_at || *who.issued_at < member->changed_at;
    return later && member->role != who.role ? "role" : nullptr;
}

/// False: it has ended.
bool Hub::mind(Company& company, Listener& listener, Steady::time_point now) {
    auto body = listener.body.lock();
    if (!body || body->ended()) return false;
    const char* why = standing(listener.who);
    if (!why && !tells_) why = "unavailable";
    if (!why && listener.until <= now) why = "rotate";
    if (why) {
        body->end(piece(bye(why)));
        kEnds({why}).inc();
        return false;
    }
    if (now - listener.said >= limits_.heartbeat) {
        auto at = position(company);
        put(company, listener, piece(at.partition < 0 ? ": \n\n" : ": \nid: " + at.text() + "\n\n"), now);
    }
    return true;
}

void Hub::mind_all(Steady::time_point now) {
    std::size_t count = 0;
    for (auto& [id, company] : companies_) {
        std::erase_if(company.listeners, [&](Listener& listener) { return !mind(company, listener, now); });
        count += company.listeners.size();
        if (company.listeners.empty()) company.fresh = 0;
    }
    std::erase_if(companies_, [&](const auto& of) {
        const auto& company = of.second;
        if (!company.listeners.empty() || !company.kept.empty()) return false;
        auto partition = partitions_.find(company.partition);
        if (partition != partitions_.end()) partition->second.gone = std::max(partition->second.gone, company.gone);
        return true;
    });
    count_ = count;
    kStreams().set(static_cast<double>(count));
}

void Hub::tells(bool does) {
    std::lock_guard guard(lock_);
    tells_ = does;
    if (!does) mind_all(Steady::now());
}

/// What came after that position and has been told, for him; nothing: it is not known any more.
std::optional<std::string> Hub::missed(const Company& company, const Watcher& who, const std::string& after) const {
    auto from = Position::parse(after);
    auto partition = partitions_.find(company.partition);
    if (!from || partition == partitions_.end() || from->partition != company.partition) return std::nullopt;
    if (from->offset < company.gone || from->offset > partition->second.read + limits_.ahead) return std::nullopt;
    auto begin = std::partition_point(company.kept.begin(), company.kept.end(),
                                      [&](const Kept& k) { return k.change.offset <= from->offset; });
    auto end = company.kept.end() - static_cast<std::ptrdiff_t>(company.fresh);
    std::string out;
    if (begin < end)
        for_each_last(begin, end, [&](const Change& change) {
            if (auto seen = sees(who, change.row); seen != Sees::nothing) write_frame(out, company.partition, change, seen);
        });
    return out;
}

Hub::Opened Hub::open(const Watcher& who, const std::optional<std::string>& after, Steady::time_point now) {
    std::lock_guard guard(lock_);
    if (!tells_ || partitions_.empty()) return {Let::not_yet};
    auto& company = this->company(who.company.value());
    count_ -= std::erase_if(company.listeners, [](const Listener& l) {
        auto body = l.body.lock();
        return !body || body->ended();
    });
    auto his = std::count_if(company.listeners.begin(), company.listeners.end(),
                             [&](const Listener& l) { return l.who.user == who.user; });
    if (static_cast<std::size_t>(his) >= limits_.of_user) return {Let::too_many_of_user};
    if (count_ >= limits_.in_all) return {Let::too_many};
    auto rest = after ? missed(company, who, *after) : std::nullopt;
    auto at = position(company);
    JsonWriter w;
    w.begin_object().member("resumed", rest.has_value());
    w.member("heartbeat_s", std::chrono::duration_cast<std::chrono::seconds>(limits_.heartbeat).count());
    w.member("now", to_rfc3339(system_clock().now())).end_object();
    // What is resumed comes behind the hello, which therefore must not say that it is there already.
    auto text = event("hello", w.text(), rest && !rest->empty() ? "" : at.text());
    if (rest) text += *rest;
    if (after && !rest) {
        text += reset(at);
        kResets({"forgotten"}).inc();
    }
    auto body = std::make_shared<http::StreamBody>(http::StreamBody::Options{.room = limits_.room, .farewell = bye("stopping")});
    body->replace(piece(std::move(text)));
    std::uniform_int_distribution<std::int64_t> lasts(Millis(limits_.least).count(), Millis(limits_.most).count());
    company.listeners.push_back({who, body, now + Millis(lasts(random_)), now});
    kStreams().set(static_cast<double>(++count_));
    return {Let::in, std::move(body)};
}

}  // namespace otto::query_service
