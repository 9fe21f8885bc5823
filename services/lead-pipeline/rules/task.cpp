#include "rules/task.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/crypto.hpp"
#include "base/says_nothing.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"

namespace otto::lead_pipeline {
namespace {

/// providers.md §6.6, with the words that stand for them where Shunya gives no text of its own.
struct ActionType {
    std::string_view name, label;
};
constexpr std::array<ActionType, 30> kActions{{{"call_back", "Call back"},
                                               {"follow_up_call", "Follow-up call"},
                                               {"check_in", "Check in"},
                                               {"send_quote", "Send the quote"},
                                               {"send_estimate", "Send the estimate"},
                                               {"send_contract", "Send the contract"},
                                               {"send_info", "Send information"},
                                               {"send_photos", "Send photos"},
                                               {"send_details", "Send details"},
                                               {"schedule_appointment", "Schedule an appointment"},
                                               {"schedule_visit", "Schedule a visit"},
                                               {"reschedule", "Reschedule"},
                                               {"confirm_appointment", "Confirm the appointment"},
                                               {"site_visit", "Site visit"},
                                               {"inspection", "Inspection"},
                                               {"measurement", "Measurement"},
                                               {"verify_insurance", "Verify the insurance"},
                                               {"verify_details", "Verify details"},
                                               {"check_availability", "Check availability"},
                                               {"confirm_address", "Confirm the address"},
                                               {"prepare_contract", "Prepare the contract"},
                                               {"collect_documents", "Collect documents"},
                                               {"send_invoice", "Send the invoice"},
                                               {"escalate", "Escalate"},
                                               {"manager_review", "Review by a manager"},
                                               {"get_approval", "Get approval"},
                                               {"setup_financing", "Set up financing"},
                                               {"process_payment", "Process the payment"},
                                               {"send_payment_link", "Send a payment link"},
                                               {"custom", ""}}};

const ActionType* find_action(std::string_view name) {
    auto found = std::find_if(kActions.begin(), kActions.end(), [&](const auto& a) { return a.name == name; });
    return found == kActions.end() ? nullptr : &*found;
}

/// A text that fits a column, empty if it says nothing; no text in the database holds a NUL.
std::string clean(std::string_view said, std::size_t most, Of of = Of::anything) {
    if (says_nothing(said, of)) return {};
    std::string text(trim(said));
    std::erase(text, '\0');
    return clip_utf8(text, most);
}

std::string assignee(std::string_view said) {
    auto w = slug(said);
    if (w == "rep" || w == "sales_rep" || w == "sales" || w == "salesperson") return "rep";
    if (w == "manager" || w == "sales_manager" || w == "admin") return "manager";
    if (w == "ai" || w == "otto" || w == "system") return "ai";
    return "csr";  // who took the call, if Shunya does not say
}

std::string priority(std::string_view said) {
    auto w = slug(said);
    if (w == "high" || w == "urgent" || w == "critical") return "high";
    return w == "low" ? "low" : "medium";
}

}  // namespace

Due parse_due(std::string_view text) {
    auto spoken = parse_spoken_time(text);
    if (!spoken) return {};
    if (spoken->moment) return {spoken->moment, {}, {}};
    return {{}, spoken->wall("23:59:59"), spoken->place};
}

std::string action_type(std::string_view said) {
    auto w = slug(said);
    return find_action(w) ? w : "custom";
}

std::string unique_key(std::string_view source, std::string_view call, std::string_view action_type, std::string_view raw_text) {
    std::string text;
    text.append(source).append(":").append(call).append(":").append(action_type).append(":").append(raw_text);
    return hex_encode(sha256(text));
}

std::optional<Wanted> understand(const analysis::v1::PendingAction& action, std::int64_t call) {
    Wanted w;
    w.action_type = action_type(action.type());
    auto raw = clean(action.raw_text(), 2000, Of::action);
    if (raw.empty() && w.action_type == "custom")
        raw = slug(action.type()) == "custom" ? "" : clean(action.type(), 2000, Of::action);
    w.description = raw.empty() ? std::string(find_action(w.action_type)->label) : raw;
    if (w.description.empty()) return std::nullopt;
    if (!raw.empty()) w.raw_text = raw;
    w.key = unique_key("shunya", std::to_string(call), w.action_type, raw);
    w.assigned_to = assignee(action.assignee());
    w.priority = priority(action.priority());
    if (auto method = clean(action.contact_method(), 50); !method.empty()) w.contact_method = method;
    w.due = parse_due(action.due_at());
    return w;
}

Plan plan_tasks(const std::vector<Kept>& kept, const std::vector<Wanted>& wanted, std::int64_t version) {
    Plan plan;
    std::set<std::size_t> taken;
    std::set<std::string> seen;
    std::vector<const Wanted*> rest;
    auto fill = [&](std::size_t i, const Wanted& w) {
        taken.insert(i);
        if (!kept[i].touched && version > kept[i].version) plan.changes.push_back({i, w});
    };
    for (const auto& w : wanted) {
        if (!seen.insert(w.key).second) continue;
        auto same = std::find_if(kept.begin(), kept.end(), [&](const Kept& k) { return k.key == w.key; });
        if (same == kept.end())
            rest.push_back(&w);
        else
            fill(static_cast<std::size_t>(same - kept.begin()), w);
    }
    std::vector<std::size_t> by_slot(kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) by_slot[i] = i;
    std::sort(by_slot.begin(), by_slot.end(), [&](auto a, auto b) { return kept[a].slot < kept[b].slot; });
    std::set<std::pair<std::string, int>> slots;
    for (const auto& k : kept) slots.emplace(k.action_type, k.slot);
    for (const auto* w : rest) {
        auto place = std::find_if(by_slot.begin(), by_slot.end(),
                                  [&](auto i) { return kept[i].action_type == w->action_type && !taken.contains(i); });
        if (place != by_slot.end()) {
            fill(*place, *w);
            continue;
        }
        int slot = 0;
        while (!slots.emplace(w->action_type, slot).second) ++slot;
        plan.fresh.push_back({slot, *w});
    }
    return plan;
}

}  // namespace otto::lead_pipeline
