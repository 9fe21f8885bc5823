#include "log_lines.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "mask.hpp"

namespace otto::ottoctl {
namespace {

namespace fs = std::filesystem;

std::string text_of(JsonView v, std::string_view name) { return std::string(v[name].string().value_or("")); }

void masked(JsonWriter& w, JsonView v) {
    if (v.is_object()) {
        w.begin_object();
        for (auto [name, value] : v.members()) masked(w.key(name), value);
        w.end_object();
    } else if (v.is_array()) {
        w.begin_array();
        for (std::size_t i = 0; i < v.size(); ++i) masked(w, v.at(i));
        w.end_array();
    } else if (auto text = v.string()) {
        w.value(scrub(*text));
    } else {
        w.raw(v.dump());
    }
}

template <class Each>
void each_line(const std::vector<fs::path>& files, const LogQuestion& q, std::size_t* read, Each each) {
    for (const auto& file : files) {
        std::ifstream in(file, std::ios::binary);
        std::string line;
        while (std::getline(in, line)) {
            if (read) ++*read;
            if (!line.starts_with('{')) continue;
            auto parsed = JsonDocument::parse(line);
            if (!parsed) continue;
            auto at = parse_time(text_of(parsed->root(), "time"));
            if (at && *at >= q.from && *at <= q.to) each(*at, line, parsed->root());
        }
    }
}

}  // namespace

LogLines find_log_lines(const std::string& folder, LogQuestion q) {
    std::error_code error;
    if (!fs::is_directory(folder, error))
        throw Failure(Error("--logs names '" + folder + "', which is no folder", "it is where the services' *.log files are"));
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().extension() == ".log" && entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    LogLines out;
    out.files = files.size();
    auto named = [&](const std::string& line) { return !q.hash.empty() && line.find(q.hash) != std::string::npos; };
    each_line(files, q, &out.read, [&](Instant, const std::string& line, JsonView v) {
        if (!named(line)) return;
        for (const char* name : {"trace_id", "event_id"})
            if (auto id = text_of(v, name); !id.empty()) q.ids.insert(id);
    });
    std::vector<std::pair<Instant, std::string>> found;
    each_line(files, q, nullptr, [&](Instant at, const std::string& line, JsonView v) {
        auto level = text_of(v, "level"), company = text_of(v, "company_id");
        bool ours = named(line) || q.ids.contains(text_of(v, "trace_id")) || q.ids.contains(text_of(v, "event_id"));
        bool trouble = (level == "error" || level == "warn") && (company.empty() || company == q.company_id);
        // A warning that names another number says nothing here, and is none of this company's business.
        if (!ours && trouble && (v["tracking_number"].exists() || v["customer"].exists()) && company != q.company_id)
            trouble = false;
        if (!ours && !trouble) return;
        JsonWriter w;
        masked(w, v);
        found.emplace_back(at, w.take());
    });
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [at, line] : found) out.lines.push_back(std::move(line));
    return out;
}

}  // namespace otto::ottoctl
