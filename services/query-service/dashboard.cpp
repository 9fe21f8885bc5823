#include "dashboard.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "http/encoding.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::query_service {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPage = "index.html";
constexpr std::string_view kConfig = "\"OTTO_CONFIG\"";
constexpr std::string_view kReportPath = "/api/v1/csp-report";
constexpr int kReportsAMinute = 10;
constexpr std::size_t kMostReporters = 10'000;
constexpr Millis kLookEvery{1'000};
const std::pair<std::string_view, std::string_view> kPacked[] = {{".br", "br"}, {".gz", "gzip"}};

const tel::Counters kReports{
    "otto_csp_reports_total", "What the web app's content policy stopped, by the rule that did.", {"directive"}};

/// How a file is read, by the end of its name.
std::string_view type_of(std::string_view name) {
    static constexpr std::pair<std::string_view, std::string_view> types[] = {{".html", "text/html; charset=utf-8"},
                                                                              {".js", "text/javascript; charset=utf-8"},
                                                                              {".mjs", "text/javascript; charset=utf-8"},
                                                                              {".css", "text/css; charset=utf-8"},
                                                                              {".json", "application/json"},
                                                                              {".webmanifest", "application/manifest+json"},
                                                                              {".svg", "image/svg+xml"},
                                                                              {".png", "image/png"},
                                                                              {".ico", "image/x-icon"},
                                                                              {".woff2", "font/woff2"},
                                                                              {".wasm", "application/wasm"},
                                                                              {".txt", "text/plain; charset=utf-8"}};
    for (const auto& [end, type] : types)
        if (name.ends_with(end)) return type;
    return "application/octet-stream";
}

std::string html_escaped(std::string_view text) {
    std::string out;
    for (char c : text) switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    return out;
}

std::string short_digest(std::string_view text) { return hex_encode(sha256(text)).substr(0, 16); }

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error(path.string() + " cannot be read");
    return std::move(text).str();
}

/// Where a page may ask beside its own origin: "" for what is no address.
std::string origin_of(const std::string& url) {
    const auto parsed = Url::parse(url);
    if (!parsed) return {};
    const bool usual = parsed->port == (parsed->scheme == "https" ? "443" : "80");
    return parsed->scheme + "://" + parsed->host + (usual ? "" : ":" + parsed->port);
}

std::string policy_for(const DashboardConfig& config) {
    std::string asks = "'self'";
    for (const auto& url : {config.sign_in, config.publishable_key.empty() ? std::string() : config.issuer})
        if (auto origin = origin_of(url); !origin.empty()) asks += " " + origin;
    return "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; media-src "
           "'self' "
           "blob:; connect-src " +
           asks +
           "; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
           "require-trusted-types-for 'script'; trusted-types otto; report-uri " +
           std::string(kReportPath);
}

void add_guards(http::Response& r, const std::string& policy) {
    r.headers.add("Content-Security-Policy", policy);
    r.headers.add("X-Content-Type-Options", "nosniff");
    r.headers.add("Referrer-Policy", "same-origin");
    r.headers.add("Cross-Origin-Opener-Policy", "same-origin");
    r.headers.add("Permissions-Policy", "microphone=(self), geolocation=(self), camera=(), payment=()");
}

/// The page as it is sent: with the settings in it. What the build packed beside it is of another text.
void configure(DashboardFile& page, const DashboardConfig& config, const std::string& build) {
    auto& html = page.bodies[""];
    if (const auto at = html.find(kConfig); at != std::string::npos) {
        JsonWriter w;
        w.begin_object().member("issuer", config.issuer).member("sign_in", config.sign_in);
        w.member("publishable_key", config.publishable_key).member("build", build).end_object();
        html.replace(at, kConfig.size(), "\"" + html_escaped(w.take()) + "\"");
    }
    page.bodies = {{"", html}, {"gzip", http::gzip(html, 9)}};
    page.etag = short_digest(html);
}

bool names_tag(std::string_view list, std::string_view tag) {
    const auto quoted = "\"" + std::string(tag) + "\"";
    const auto tags = split_list(list);
    return std::any_of(tags.begin(), tags.end(), [&](const auto& t) { return t == "*" || t == quoted || t == "W/" + quoted; });
}

/// The best that there is of what the client takes, the smallest first.
std::string_view encoding_for(const DashboardFile& file, const http::Request& request) {
    const auto accepts = request.headers.get("accept-encoding");
    for (const auto& [end, encoding] : kPacked)
        if (file.bodies.contains(encoding) && http::accepts_encoding(accepts, encoding)) return encoding;
    return "";
}

std::string text_of(const JsonView& report, std::initializer_list<const char*> names) {
    for (const auto* name : names)
        if (auto text = report[name].loose_text()) return *text;
    return {};
}

/// Rules of the policy by their names; what a browser makes up is not one more series.
std::string rule_of(std::string_view directive) {
    static constexpr std::string_view known[] = {
        "default-src",    "script-src", "script-src-elem", "script-src-attr", "style-src",     "style-src-elem",
        "style-src-attr", "font-src",   "img-src",         "media-src",       "connect-src",   "manifest-src",
        "worker-src",     "base-uri",   "form-action",     "frame-ancestors", "trusted-types", "require-trusted-types-for"};
    const auto name = directive.substr(0, directive.find(' '));
    return std::find(std::begin(known), std::end(known), name) != std::end(known) ? std::string(name) : "other";
}

/// Of what stands in a report only the rule and the origin are kept: addresses may hold what is personal.
void count_one(const JsonView& report) {
    const auto rule = rule_of(text_of(report, {"effective-directive", "effectiveDirective", "violated-directive"}));
    kReports({rule}).inc();
    const auto origin = origin_of(text_of(report, {"blocked-uri", "blockedURL"}));
    tel::warn("the web app's content policy stopped something",
              {{"directive", rule}, {"blocked", origin.empty() ? "no address" : origin}});
}

/// One report in the older form of browsers, several in the newer one.
void count(const std::string& body) {
    const auto read = JsonDocument::parse(body);
    if (!read) return count_one(JsonView{});
    const auto root = read->root();
    if (!root.is_array()) return count_one(root["csp-report"]);
    for (std::size_t i = 0; i < std::min<std::size_t>(root.size(), kReportsAMinute); ++i) count_one(root.at(i)["body"]);
}

}  // namespace

Result<DashboardFiles> DashboardFiles::load(const std::string& folder, const DashboardConfig& config) {
    DashboardFiles out;
    std::error_code missing;
    if (folder.empty() || !fs::is_directory(folder, missing)) return out;
    std::map<std::string, std::string> all;
    try {
        for (const auto& entry : fs::recursive_directory_iterator(folder)) {
            const auto name = fs::relative(entry.path(), folder).generic_string();
            if (!entry.is_regular_file() || entry.path().extension() == ".map" || name.front() == '.') continue;
            out.size_ += entry.file_size();
            if (out.size_ > kRoom)
                return Error{folder + " holds more than " + std::to_string(kRoom >> 20) + " MiB",
                             "name the folder that services/dashboard/build writes"};
            all[name] = read(entry.path());
        }
    } catch (const std::exception& e) {
        return Error{folder + " cannot be read: " + e.what(), "build the web app once more: services/dashboard/build"};
    }
    const auto page = all.find(std::string(kPage));
    if (all.empty()) return out;
    if (page == all.end()) return Error{folder + " has no index.html", "build the web app once more: services/dashboard/build"};
    out.build_ = short_digest(page->second);
    for (auto& [name, body] : all) {
        const auto packed =
            std::find_if(std::begin(kPacked), std::end(kPacked), [&](const auto& p) { return name.ends_with(p.first); });
        const auto plain = packed == std::end(kPacked) ? name : name.substr(0, name.size() - packed->first.size());
        if (!all.contains(plain)) continue;
        auto& file = out.files_[plain];
        if (packed == std::end(kPacked)) {
            file.content_type = type_of(name);
            file.etag = short_digest(body);
        }
        file.bodies[packed == std::end(kPacked) ? "" : std::string(packed->second)] = std::move(body);
    }
    configure(out.files_.find(kPage)->second, config, out.build_);
    return out;
}

const DashboardFile* DashboardFiles::find(std::string_view path) const {
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : &found->second;
}

Dashboard::Dashboard(std::string folder, DashboardConfig config, const Clock& clock)
    : folder_(std::move(folder)), config_(std::move(config)), policy_(policy_for(config_)), clock_(clock) {
    const auto read_now = files();
    if (!fault_.empty()) return;
    tel::info(read_now->empty() ? "no web app is there; /app/ says how to build it" : "the web app is served at /app/",
              {{"folder", folder_}, {"build", read_now->build()}, {"bytes", read_now->size()}});
}

void Dashboard::routes(http::Router& open) const {
    auto to_app = [](const http::Request&) {
        auto r = http::Response::empty(302);
        r.headers.add("Location", "/app/");
        return r;
    };
    for (const char* path : {"/", "/app"}) open.add(http::Method::get, path, to_app);
    open.add(http::Method::get, "/app/{path...}", [this](const http::Request& r) { return serve(r); });
    open.add(http::Method::post, std::string(kReportPath), [this](const http::Request& r) { return report(r); },
             {16u << 10, {"application/csp-report", "application/reports+json", "application/json"}});
}

http::Response Dashboard::serve(const http::Request& request) const {
    const auto all = files();
    if (all->empty()) return page_without_app();
    const auto path = request.param("path");
    const auto last = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
    const bool is_page = last.find('.') == std::string_view::npos || path == kPage;
    const auto* file = all->find(is_page ? kPage : path);
    if (!file)
        return http::problem({404, "Not found", "The web app has no such file; the page that wants it is of another build."},
                             request);
    const auto encoding = encoding_for(*file, request);
    const auto tag = file->etag + (encoding.empty() ? "" : "-" + std::string(encoding));
    const bool known = names_tag(request.headers.get("if-none-match"), tag);
    auto r =
        known ? http::Response::empty(304) : http::Response::text(200, file->bodies.find(encoding)->second, file->content_type);
    if (!known && !encoding.empty()) r.headers.add("Content-Encoding", std::string(encoding));
    r.headers.add("ETag", "\"" + tag + "\"");
    r.headers.add("Vary", "Accept-Encoding");
    r.headers.add("Cache-Control", !is_page && path.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
    add_guards(r, policy_);
    return r;
}

http::Response Dashboard::page_without_app() const {
    std::string why = "The web app is not built here";
    if (std::lock_guard guard(lock_); !fault_.empty()) why = "The web app cannot be served: " + fault_;
    auto r = http::Response::text(404,
                                  "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Otto</title><h1>Otto</h1><p>" +
                                      html_escaped(why) +
                                      ".</p><p><code>services/dashboard/build</code> builds it; <code>OTTO_DASHBOARD_DIR</code> "
                                      "names the folder that it wrote. "
                                      "<code>deploy/up</code> does both.</p><p>The API: <a href=\"/docs\">/docs</a></p></html>\n",
                                  "text/html; charset=utf-8");
    r.headers.add("Cache-Control", "no-store");
    add_guards(r, policy_);
    return r;
}

/// What tells one build from the next: its page, whose names of files are digests.
std::string Dashboard::stamp() const {
    if (folder_.empty()) return {};
    std::error_code missing;
    const auto page = fs::path(folder_) / kPage;
    const auto at = fs::last_write_time(page, missing);
    return missing ? std::string()
                   : std::to_string(at.time_since_epoch().count()) + " " + std::to_string(fs::file_size(page, missing));
}

std::shared_ptr<const DashboardFiles> Dashboard::files() const {
    std::lock_guard guard(lock_);
    const auto now = clock_.now();
    if (files_ && now - looked_at_ < kLookEvery) return files_;
    looked_at_ = now;
    const auto newest = stamp();
    if (files_ && (newest == stamp_ || newest.empty())) return files_;  // while it is built anew the former one is served
    auto loaded = DashboardFiles::load(folder_, config_);
    stamp_ = newest;
    fault_ = loaded ? std::string() : loaded.error().message;
    if (!loaded) tel::warn("the web app cannot be served", {{"why", loaded.error().message}, {"cure", loaded.error().hint}});
    if (loaded && files_) tel::info("another build of the web app is served", {{"build", loaded->build()}});
    if (loaded || !files_) files_ = std::make_shared<const DashboardFiles>(loaded ? std::move(*loaded) : DashboardFiles());
    return files_;
}

http::Response Dashboard::report(const http::Request& request) const {
    {
        std::lock_guard guard(lock_);
        const auto now = clock_.now();
        if (now - minute_ >= std::chrono::minutes(1)) {
            minute_ = now;
            reports_.clear();
        }
        const bool room = reports_.size() < kMostReporters || reports_.contains(request.client_address);
        if (!room || ++reports_[request.client_address] > kReportsAMinute) {
            auto r = http::problem({429, "Too many reports", "At most 10 a minute are counted of one client."}, request);
            r.headers.add("Retry-After", "60");
            return r;
        }
    }
    count(request.body);
    return http::Response::empty(204);
}

}  // namespace otto::query_service
