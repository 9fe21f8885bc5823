#include "pg/url.hpp"

#include <libpq-fe.h>

#include <memory>

namespace otto::pg {

Result<void> check_url(const Secret& url) {
    const char* form = "set OTTO_PG_URL, or OTTO_PG_URL_<SERVICE>, to postgresql://role:password@host:5432/database";
    if (url.empty()) return Error("the URL of Postgres is not set", form);
    char* why = nullptr;  // it may quote the password
    std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(PQconninfoParse(url.reveal().c_str(), &why),
                                                                        &PQconninfoFree);
    PQfreemem(why);
    if (!parsed) return Error("the URL of Postgres is none that libpq understands", form);
    return {};
}

}  // namespace otto::pg
