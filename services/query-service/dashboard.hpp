#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "app/settings.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "http/server.hpp"

/// The web app (services/dashboard), as its build left it.
namespace otto::query_service {

inline const app::Setting<std::string> kDashboardDir =
    app::text("dashboard-dir", "", "folder of the built web app (services/dashboard/build); empty: /app/ says how to build it");
inline const app::Setting<std::string> kSignInUrl = app::text(
    "sign-in-url", "", "where people of the web app sign in where Clerk is not set: the sandbox, whose page is /sign-in");
inline const app::Setting<std::string> kClerkPublishableKey = app::text(
    "clerk-publishable-key", "", "Clerk's publishable key (pk_…), for the web app; empty: it signs in at OTTO_SIGN_IN_URL");

/// What the web app is told of its surroundings, in a meta element of its page.
struct DashboardConfig {
    std::string issuer, sign_in, publishable_key;
};

/// One file with what it is sent as: as it is, and packed where the build left that beside it.
struct DashboardFile {
    std::string content_type;
    std::map<std::string, std::string, std::less<>> bodies;  ///< by Content-Encoding; "" as it is
    std::string etag;                                        ///< without quotes
};

/// All files of one build, in memory; they never change.
class DashboardFiles {
public:
    static constexpr std::size_t kRoom = 5u << 20;  ///< with what is packed
    /// Nothing is wrong with a folder that is not there or empty: that is a build without files. The error says what is too much.
    static Result<DashboardFiles> load(const std::string& folder, const DashboardConfig&);
    const DashboardFile* find(std::string_view path) const;
    bool empty() const { return files_.empty(); }
    std::size_t size() const { return size_; }
    const std::string& build() const { return build_; }

private:
    std::map<std::string, DashboardFile, std::less<>> files_;  ///< by path below the folder
    std::size_t size_ = 0;
    std::string build_;  ///< names what was built: a tab can tell that there is a newer one
};

/// `/` leads to /app/; below it are files of the build, and any path whose last part has no dot is the app's own, so its page.
/// All of it under one content policy (the service worker needs the same one); what the policy stopped, browsers tell at
/// /api/v1/csp-report, which counts it. A build that takes the place of another is taken up within a second or two, without a
/// restart; until it can be read whole the former one stays.
class Dashboard {
public:
    /// `folder` "": none is served. Reads it at once; a fault of it is a warning, and the page says it.
    Dashboard(std::string folder, DashboardConfig, const Clock& = system_clock());
    void routes(http::Router&) const;

    http::Response serve(const http::Request&) const;
    http::Response report(const http::Request&) const;
    const std::string& policy() const { return policy_; }

private:
    std::shared_ptr<const DashboardFiles> files() const;
    std::string stamp() const;
    http::Response page_without_app() const;

    const std::string folder_;
    const DashboardConfig config_;
    const std::string policy_;
    const Clock& clock_;
    mutable std::mutex lock_;
    mutable std::shared_ptr<const DashboardFiles> files_;
    mutable std::string stamp_, fault_;  ///< of the page that was read last; why the newest could not be read
    mutable Instant looked_at_{};
    mutable Instant minute_{};
    mutable std::map<std::string, int, std::less<>> reports_;  ///< of this minute, by client
};

}  // namespace otto::query_service
