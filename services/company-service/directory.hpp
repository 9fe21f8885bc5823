#pragma once
#include <map>
#include <string>

#include "api/api.hpp"
#include "directory/companies.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// A company as otto.directory tells it, as the tables stand in this transaction; without a version.
otto::directory::v1::CompanyProfile profile_of(pg::Tx&, const CompanyId&);

/// 422 that names this field if the company, as the request leaves it, would be too large to be told.
void must_fit_directory(api::Context&, const CompanyId&, const std::string& field);
/// The same of the tables in this transaction, with so many bytes more.
void must_fit_directory(pg::Tx&, const CompanyId&, const std::string& field, std::size_t more);

/// Keeps otto.directory true to the tables: publishes companies that triggers marked, and again whatever the topic turns out to
/// have otherwise. Versions on the topic never fall, whatever becomes of the tables.
class DirectoryPublisher {
public:
    explicit DirectoryPublisher(const directory::Companies& published) : published_(published) {}
    void publish(pg::Connection&) const;
    /// Once the topic has been read: what is there in another version than in the tables is published again.
    void reconcile(pg::Connection&) const;
    /// The same, against these versions of the topic.
    void reconcile(pg::Connection&, const std::map<std::string, std::int64_t>& topic) const;

private:
    void publish_one(pg::Connection&, const CompanyId&) const;

    const directory::Companies& published_;
    rt::Emitter<otto::directory::v1::CompanyProfile> emitter_{"company-service"};
};

}  // namespace otto::company_service
