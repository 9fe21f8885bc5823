#include "pg/login.hpp"

#include <libpq-fe.h>

#include <array>
#include <memory>

namespace otto::pg {
namespace {

struct FreeOptions {
    void operator()(PQconninfoOption* o) const { PQconninfoFree(o); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

std::string value_of(const Options& options, std::string_view name) {
    for (auto* o = options.get(); o && o->keyword; ++o)
        if (name == o->keyword) return o->val ? o->val : "";
    return {};
}

struct Setting {
    std::string_view login, name, value;
};

/// "": every service. Why: see the migrations that once set them on the roles (small_statements, plans, no_memoize).
constexpr std::array kSettings{
    Setting{"", "enable_seqscan", "off"},                      // a plan made for an empty table is kept while it grows
    Setting{"", "jit", "off"},                                 // what is switched off looks dear enough to compile
    Setting{"", "plan_cache_mode", "force_generic_plan"},      // one plan for all companies, also for new ones
    Setting{"", "random_page_cost", "1.1"},                    // no whole table is read for ten keys
    Setting{"otto_lead_pipeline", "enable_hashjoin", "off"},   // a batch looks up by whole keys: by index only
    Setting{"otto_lead_pipeline", "enable_mergejoin", "off"},  //
    Setting{"otto_query_service", "enable_memoize", "off"},    // a page's cards are each another one
};

}  // namespace

std::string session_settings(std::string_view login) {
    std::string out;
    if (!login.starts_with("otto_") || login == "otto_maintenance") return out;
    for (const auto& s : kSettings)
        if (s.login.empty() || s.login == login)
            out.append(out.empty() ? "" : " ").append("-c ").append(s.name).append("=").append(s.value);
    return out;
}

LoginOf login_of(const std::string& url) {
    char* raw_why = nullptr;
    Options said(PQconninfoParse(url.c_str(), &raw_why));
    PQfreemem(raw_why);
    if (!said) return {};
    LoginOf out{value_of(said, "user"), value_of(said, "options")};
    if (out.user.empty() || out.options.empty()) {
        Options defaults(PQconndefaults());
        if (out.user.empty()) out.user = value_of(defaults, "user");
        if (out.options.empty()) out.options = value_of(defaults, "options");
    }
    return out;
}

}  // namespace otto::pg
