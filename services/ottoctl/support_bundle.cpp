// support-bundle: what Otto's support asks for, without secrets and persons.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "app/common.hpp"
#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "ingress/endpoint.hpp"
#include "lag.hpp"
#include "log_lines.hpp"
#include "mask.hpp"
#include "ottoctl/sql.hpp"
#include "runtime/runtime.hpp"
#include "schema/schema.hpp"
#include "spool.hpp"
#include "telemetry/log.hpp"

namespace otto::ottoctl {
namespace {

namespace fs = std::filesystem;

/// Every setting that this build knows, of this command's environment; secrets as set or not, and so whatever it does not know.
Record settings_shown(std::vector<std::string>& secrets) {
    auto table = app::common_rows();
    for (const auto& more : {rt::runtime_rows(), ingress::ingress_rows(), rows()}) table.insert(table.end(), more.begin(), more.end());
    auto environment = app::environment_of_process();
    for (const auto& [name, value] : environment) {
        bool secret = name.find("SECRET") != std::string::npos || name.find("KEY") != std::string::npos || name.find("TOKEN") != std::string::npos || name.find("PASSWORD") != std::string::npos || name.find("PG_URL") != std::string::npos;
        if (name.starts_with("OTTO_") && !name.ends_with("_FILE") && secret && value.size() >= 8) secrets.push_back(value);
    }
    Record out;
    auto loaded = app::Settings::load(table, {}, environment);
    if (!loaded) return {{"error", loaded.error().message}};
    for (const auto& [name, value] : loaded->shown()) out.emplace_back(name, Cell(value));
    for (const auto& name : loaded->unknown()) out.emplace_back(name, Cell("(set)"));
    return out;
}

/// The last guard: whatever a file would say, it does not say these.
std::string without(std::string text, const std::vector<std::string>& forbidden) {
    for (const auto& f : forbidden)
        for (auto at = text.find(f); at != std::string::npos; at = text.find(f, at)) text.replace(at, f.size(), "***");
    return text;
}

class Bundle {
public:
    explicit Bundle(fs::path folder) : folder_(std::move(folder)) {
        if (!fs::create_directory(folder_)) throw Failure(Error("the folder '" + folder_.string() + "' exists already", "--out names a new one"));
        ::chmod(folder_.c_str(), 0700);
    }
    void forbid(std::vector<std::string> texts) { forbidden_ = std::move(texts); }
    void write(const std::string& name, const std::string& text) {
        std::ofstream out(folder_ / name, std::ios::binary);
        out << without(text, forbidden_);
        if (!out.flush()) throw Failure(Error("'" + (folder_ / name).string() + "' cannot be written", "is the disk full?"));
        files_.push_back({{"file", name}, {"bytes", text.size()}});
    }
    void part(const std::string& name, std::vector<Record> list) {
        for (auto& r : list) mask_persons(r);
        counts_[name] = list.size();
        Report report;
        report.many(name, std::move(list));
        write(name + ".json", report.json() + "\n");
    }
    const std::vector<Record>& files() const { return files_; }
    std::size_t count(const std::string& name) const { return counts_.contains(name) ? counts_.at(name) : 0; }

private:
    fs::path folder_;
    std::vector<std::string> forbidden_;
    std::vector<Record> files_;
    std::map<std::string, std::size_t> counts_;
};

}  // namespace

int support_bundle(const Invocation& call) {
    auto company = call.option("company"), number_text = call.option("number"), at_text = call.option("at");
    if (!company || !number_text || !at_text) throw UsageError("support-bundle takes --company, --number and --at", "the company's id, its tracking number, the time of the call");
    auto number = normalize_phone(*number_text);
    if (!number.e164) throw UsageError("--number is no callable number", "write it as +15205232772");
    auto spoken = parse_spoken_time(*at_text);
    if (!spoken || !spoken->moment) throw UsageError("--at is '" + *at_text + "'", "it takes a time with its zone: 2026-11-21T14:05:00Z, or with an offset");
    auto moment = spoken->moment;
    auto window = call.duration("window", Millis{2 * 3'600'000});
    Instant from = *moment - window, to = *moment + window;

    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto profile = records(tx, sql::support_company, {*company});
    if (profile.empty()) {
        std::fprintf(stderr, "ottoctl: there is no company '%s'; its id is its organization's at Clerk, org_…, and ottoctl sweep lists who is connected to CallRail\n", company->c_str());
        return kRefused;
    }
    std::vector<std::string> forbidden;
    auto settings = settings_shown(forbidden);
    std::int64_t elsewhere = 0;
    tx.each(sql::support_owner, {number.text, *company, *moment}, [&](const pg::Fields& f) { elsewhere = f.integer("n"); });
    auto numbers = records(tx, sql::support_numbers, {*company, number.text});
    auto calls = records(tx, sql::support_calls, {*company, number.text, from, to});
    auto held = records(tx, sql::support_held, {number.text, *company, from, to});
    auto dead = records(tx, sql::support_dead, {*company, from, to});
    auto parked = records(tx, sql::support_parked, {*company});
    auto versions = records(tx, sql::support_versions);
    auto lag = measure_lag(tx, call.settings().get(app::kKafkaBrokers), Millis{10'000});
    auto waiting = records(tx, sql::waiting);
    tx.commit();

    auto stamp = to_rfc3339(system_clock().now()).substr(0, 19);
    std::erase_if(stamp, [](char c) { return c == ':' || c == '-'; });
    fs::path folder = call.option("out").value_or("otto-support-" + *company + "-" + stamp);
    Bundle bundle(folder);
    // The number itself too: with its last digits and its hash in the logs it is found by who knows it.
    forbidden.push_back(number.text);
    forbidden.push_back(number.text.substr(1));
    bundle.forbid(forbidden);

    LogQuestion question{tel::phone_hash(number.text), *company, from, to, {}};
    for (const auto* list : {&calls, &held})
        for (const auto& r : *list) {
            if (auto* trace = find(r, "traceparent"); trace && trace->text.size() == 55) question.ids.insert(trace->text.substr(3, 32));
            if (auto* id = find(r, "event_id"); id && !id->text.empty()) question.ids.insert(id->text);
        }
    bool registered = std::any_of(numbers.begin(), numbers.end(), [](const Record& r) { return find(r, "asked_about")->text == "yes"; });

    auto said = profile.front();
    bundle.part("company", std::move(profile));
    bundle.part("numbers", std::move(numbers));
    bundle.part("calls", std::move(calls));
    bundle.part("held", std::move(held));
    bundle.part("dead_letters", std::move(dead));
    bundle.part("parked", std::move(parked));
    put(versions.front(), "ottoctl_schema", std::string(schema::latest()));
    bundle.part("versions", std::move(versions));
    Report lags;
    if (lag) lags.many("lag", by_topic(*lag));
    else lags.note("The lag is not known: " + lag.error().message);
    lags.many("waiting", std::move(waiting));
    bundle.write("lag.json", lags.json() + "\n");
    if (auto spools = spools_under(call.settings().get(ingress::kSpoolDir)); spools && !spools->empty()) {
        std::vector<Record> list;
        for (const auto& [dir, s] : *spools) list.push_back({{"dir", dir}, {"rows", s.rows}, {"bytes", s.bytes}, {"oldest_at", s.oldest}});
        bundle.part("spools", std::move(list));
    }
    Report shown;
    shown.one("settings", std::move(settings));
    bundle.write("settings.json", shown.json() + "\n");

    std::string remark;
    std::size_t log_lines = 0;
    if (auto logs = call.option("logs")) {
        auto found = find_log_lines(*logs, std::move(question));
        log_lines = found.lines.size();
        std::string text;
        for (const auto& line : found.lines) text.append(line).append("\n");
        bundle.write("logs.jsonl", text);
        if (call.settings().get(app::kLogHashKey).empty()) remark = "OTTO_LOG_HASH_KEY is not set here, so that lines could not be found by the number, only by the events' ids.";
    } else {
        remark = "No logs are in it: --logs DIR takes the lines that concern the number.";
    }
    Record summary{{"company_id", *company},
                   {"number", mask_number(number.text)},
                   {"number_registered", registered},
                   {"number_of_another_company", elsewhere > 0},
                   {"signing_key", find(said, "callrail_signing_key")->text},
                   {"at", *moment},
                   {"from", from},
                   {"to", to},
                   {"calls", bundle.count("calls")},
                   {"held", bundle.count("held")},
                   {"dead_letters", bundle.count("dead_letters")},
                   {"parked", bundle.count("parked")},
                   {"log_lines", log_lines}};
    Report report;
    report.one("summary", summary);
    report.many("files", bundle.files());
    if (!remark.empty()) report.note(remark);
    bundle.write("summary.txt", "A bundle for Otto's support: one company, one number, around one moment. Secrets are shown as set or not set, telephone numbers by their last\n"
                                "four digits, and nothing that a person said is in it.\n\n" + report.text());
    report.note("Written to " + folder.string() + ". To send it: tar -czf " + folder.filename().string() + ".tar.gz -C " + (folder.has_parent_path() ? folder.parent_path().string() : ".") + " " + folder.filename().string());
    print(call, report);
    return kDone;
}

}  // namespace otto::ottoctl
