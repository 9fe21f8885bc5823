#pragma once
#include "directory/companies.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// Keeps otto.directory true to the tables: publishes companies that triggers marked, and again whatever the topic turns out to be behind with.
class DirectoryPublisher {
public:
    explicit DirectoryPublisher(const directory::Companies& published) : published_(published) {}
    void publish(pg::Connection&) const;
    void reconcile(pg::Connection&) const;

private:
    const directory::Companies& published_;
    rt::Emitter<otto::directory::v1::CompanyProfile> emitter_{"company-service"};
};

}  // namespace otto::company_service
