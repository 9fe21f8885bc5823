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
    for (const auto& more : {rt::runtime_rows(), ingress::ingress_rows(), rows()})
        table.insert(table.end(), more.begin(), more.end());
    auto environment = app::environment_of_process();
    for (const auto& [name, value] : environment) {
        bool secret = name.find("SECRET") != std::string::npos || name.find("KEY") != std::string::npos ||
                      name.find("TOKEN") != std::string::npos || name.find("PASSWORD") != std::string::npos ||
                      name.find("PG_URL") != std::string::npos;
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
        if (!fs::create_directory(folder_))
            throw Failure(Error("the folder '" + folder_.string() + "' exists already", "--out names a new one"));
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

/// What is asked about: one company, one number, a time around a moment.
struct Question {
    std::string company, number;
    Instant at, from, to;

    static Question of(const Invocation& call) {
        auto company = call.option("company"), number_text = call.option("number"), at_text = call.option("at");
        if (!company || !number_text || !at_text)
            throw UsageError("support-bundle takes --company, --number and --at",
                             "the company's id, its tracking number, the time of the call");
        auto number = normalize_phone(*number_text);
        if (!number.e164) throw UsageError("--number is no callable number", "write it as +15205232772");
        auto spoken = parse_spoken_time(*at_text);
        if (!spoken || !spoken->moment)
            throw UsageError("--at is '" + *at_text + "'",
                             "it takes a time with its zone: 2026-11-21T14:05:00Z, or with an offset");
        auto window = call.duration("window", Millis{2 * 3'600'000});
        return {*company, number.text, *spoken->moment, *spoken->moment - window, *spoken->moment + window};
    }
};

/// What the database and Kafka say of it.
struct Answer {
    std::vector<Record> profile, numbers, calls, messages, texts, sends, held, dead, parked, versions, waiting;
    bool elsewhere = false;  ///< the number was another company's at the moment
    Result<std::vector<PartitionLag>> lag;

    /// Nothing if there is no such company.
    static std::optional<Answer> to(const Question& q, const app::Settings& settings) {
        auto db = operators_database(settings);
        auto tx = db.begin(pg::Scope::none());
        auto profile = records(tx, sql::support_company, {q.company});
        if (profile.empty()) return std::nullopt;
        bool elsewhere = false;
        tx.each(sql::support_owner, {q.number, q.company, q.at}, [&](const pg::Fields& f) { elsewhere = f.integer("n") > 0; });
        Answer a{.profile = std::move(profile),
                 .numbers = records(tx, sql::support_numbers, {q.company, q.number}),
                 .calls = records(tx, sql::support_calls, {q.company, q.number, q.from, q.to}),
                 .messages = records(tx, sql::support_messages, {q.company, q.number, q.from, q.to}),
                 .texts = records(tx, sql::texts_by_company, {pg::Param::array(std::vector<std::string>{q.company})}),
                 .sends = records(tx, sql::support_sends, {q.company, q.number}),
                 .held = records(tx, sql::support_held, {q.number, q.company, q.from, q.to}),
                 .dead = records(tx, sql::support_dead, {q.company, q.from, q.to}),
                 .parked = records(tx, sql::support_parked, {q.company}),
                 .versions = records(tx, sql::support_versions),
                 .waiting = records(tx, sql::waiting),
                 .elsewhere = elsewhere,
                 .lag = measure_lag(tx, settings.get(app::kKafkaBrokers), Millis{10'000})};
        tx.commit();
        put(a.versions.front(), "ottoctl_schema", std::string(schema::latest()));
        return a;
    }

    bool number_registered() const {
        return std::any_of(numbers.begin(), numbers.end(), [](const Record& r) { return find(r, "asked_about")->text == "yes"; });
    }
};

LogQuestion lines_asked_for(const Question& q, const Answer& a) {
    LogQuestion question{tel::phone_hash(q.number), q.company, q.from, q.to, {}};
    for (const auto* list : {&a.calls, &a.held})
        for (const auto& r : *list) {
            if (auto* trace = find(r, "traceparent"); trace && trace->text.size() == 55)
                question.ids.insert(trace->text.substr(3, 32));
            if (auto* id = find(r, "event_id"); id && !id->text.empty()) question.ids.insert(id->text);
        }
    return question;
}

fs::path folder_of(const Invocation& call, const Question& q) {
    auto stamp = to_rfc3339(system_clock().now()).substr(0, 19);
    std::erase_if(stamp, [](char c) { return c == ':' || c == '-'; });
    return call.option("out").value_or("otto-support-" + q.company + "-" + stamp);
}

/// A file a list, the lag, the spools and the settings.
void fill(Bundle& bundle, const Answer& a, const app::Settings& settings, Record shown) {
    bundle.part("company", a.profile);
    bundle.part("numbers", a.numbers);
    bundle.part("calls", a.calls);
    bundle.part("messages", a.messages);
    bundle.part("texts_to_leave", a.texts);
    bundle.part("texts_of_the_number", a.sends);
    bundle.part("held", a.held);
    bundle.part("dead_letters", a.dead);
    bundle.part("parked", a.parked);
    bundle.part("versions", a.versions);
    Report lags;
    if (a.lag)
        lags.many("lag", by_topic(*a.lag));
    else
        lags.note("The lag is not known: " + a.lag.error().message);
    lags.many("waiting", a.waiting);
    bundle.write("lag.json", lags.json() + "\n");
    if (auto spools = spools_under(settings.get(ingress::kSpoolDir)); spools && !spools->empty()) {
        std::vector<Record> list;
        for (const auto& [dir, s] : *spools)
            list.push_back({{"dir", dir}, {"rows", s.rows}, {"bytes", s.bytes}, {"oldest_at", s.oldest}});
        bundle.part("spools", std::move(list));
    }
    Report all;
    all.one("settings", std::move(shown));
    bundle.write("settings.json", all.json() + "\n");
}

}  // namespace

int support_bundle(const Invocation& call) {
    const auto asked = Question::of(call);
    const auto answer = Answer::to(asked, call.settings());
    if (!answer) {
        std::fprintf(stderr,
                     "ottoctl: there is no company '%s'; its id is its organization's at Clerk, org_…, and ottoctl sweep lists "
                     "who is connected to CallRail\n",
                     asked.company.c_str());
        return kRefused;
    }
    std::vector<std::string> forbidden;
    auto settings = settings_shown(forbidden);
    const auto folder = folder_of(call, asked);
    Bundle bundle(folder);
    // The number itself too: with its last digits and its hash in the logs it is found by who knows it.
    forbidden.push_back(asked.number);
    forbidden.push_back(asked.number.substr(1));
    bundle.forbid(std::move(forbidden));
    fill(bundle, *answer, call.settings(), std::move(settings));

    std::string remark;
    std::size_t log_lines = 0;
    if (auto logs = call.option("logs")) {
        auto found = find_log_lines(*logs, lines_asked_for(asked, *answer));
        log_lines = found.lines.size();
        std::string text;
        for (const auto& line : found.lines) text.append(line).append("\n");
        bundle.write("logs.jsonl", text);
        if (call.settings().get(app::kLogHashKey).empty())
            remark =
                "OTTO_LOG_HASH_KEY is not set here, so that lines could not be found by the number, only by the events' ids.";
    } else {
        remark = "No logs are in it: --logs DIR takes the lines that concern the number.";
    }
    Record summary{{"company_id", asked.company},
                   {"number", mask_number(asked.number)},
                   {"number_registered", answer->number_registered()},
                   {"number_of_another_company", answer->elsewhere},
                   {"signing_key", find(answer->profile.front(), "callrail_signing_key")->text},
                   {"at", asked.at},
                   {"from", asked.from},
                   {"to", asked.to},
                   {"calls", bundle.count("calls")},
                   {"messages", bundle.count("messages")},
                   {"texts_of_the_number", bundle.count("texts_of_the_number")},
                   {"held", bundle.count("held")},
                   {"dead_letters", bundle.count("dead_letters")},
                   {"parked", bundle.count("parked")},
                   {"log_lines", log_lines}};
    Report report;
    report.one("summary", summary);
    report.many("files", bundle.files());
    if (!remark.empty()) report.note(remark);
    bundle.write("summary.txt",
                 "A bundle for Otto's support: one company, one number, around one moment. Secrets are shown as set or not set, "
                 "telephone numbers by their last\n"
                 "four digits, and nothing that a person said is in it.\n\n" +
                     report.text());
    auto parent = folder.has_parent_path() ? folder.parent_path().string() : ".";
    report.note("Written to " + folder.string() + ". To send it: tar -czf " + folder.filename().string() + ".tar.gz -C " +
                parent + " " + folder.filename().string());
    print(call, report);
    return kDone;
}

}  // namespace otto::ottoctl
