#include "keys.hpp"

#include "base/crypto.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::shunya_orchestrator {

std::string key_mark(const RecordingSource& source) {
    if (source.api_key.empty() || source.account_id.empty()) return "";
    return hex_encode(sha256(source.account_id + "\n" + source.api_key.reveal())).substr(0, 32);
}

void KeyWatch::look(pg::Connection& db) {
    constexpr std::size_t kAtOnce = 200;
    auto generation = generation_();
    if (seen_ == generation) return;
    auto marks = marks_();
    if (!marks) return;
    auto at = marks->begin();
    while (at != marks->end()) {
        std::vector<CompanyId> companies;
        Marks changed;
        pg::Columns asked(4);
        for (; at != marks->end() && companies.size() < kAtOnce; ++at) {
            auto former = last_.find(at->first);
            if (at->second.empty() || (former != last_.end() && former->second == at->second)) continue;
            const auto& who = at->first;
            companies.push_back(who.company);
            changed.emplace(*at);
            asked.row({who.company, who.provider, who.of_deployment, at->second});
        }
        if (companies.empty()) continue;
        std::int64_t woken = 0;
        auto tx = db.begin(pg::Scope::companies(companies));
        tx.each(sql::wake_for_keys, asked.params(), [&](const pg::Fields&) { ++woken; });
        tx.commit();
        for (const auto& [who, mark] : changed) last_[who] = mark;
        if (woken > 0) tel::info("calls that waited for another key of their provider go on", {{"calls", woken}});
    }
    std::erase_if(last_, [&](const auto& known) { return !marks->contains(known.first); });
    seen_ = generation;
}

}  // namespace otto::shunya_orchestrator
