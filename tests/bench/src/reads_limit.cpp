// The limit of GET /api/v1/calls?limit=50: libpq running the very statement that query-service runs for it, prepared, as its role
// and within its row-level security, rows fetched as text and thrown away.
#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "args.hpp"
#include "query-service/lists.hpp"

int main(int argc, char** argv) {
    using namespace otto;
    bench::Args args(argc, argv, "url company connections seconds");
    query_service::Lists lists;
    auto page = lists.calls.page({CompanyId{args.text("company")}, "user_bench"}, api::Page::newest("created_at", 50), {});
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(args.number("seconds"));
    auto began = std::chrono::steady_clock::now();
    std::atomic<std::size_t> done{0};
    auto work = [&] {
        auto* db = PQconnectdb(args.text("url").c_str());
        auto check = [db](PGresult* r) {
            if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK) {
                std::fprintf(stderr, "%s\n", PQerrorMessage(db));
                std::exit(1);
            }
            auto rows = PQntuples(r);
            PQclear(r);
            return rows;
        };
        const char* scope[] = {args.text("company").c_str()};
        check(PQexecParams(db, "SELECT set_config('otto.company_id', $1, false)", 1, nullptr, scope, nullptr, nullptr, 0));
        check(PQprepare(db, "page", std::string(page.query->text).c_str(), 0, nullptr));
        std::vector<const char*> values;
        for (const auto& p : page.params) values.push_back(p.text() ? p.text()->c_str() : nullptr);
        while (std::chrono::steady_clock::now() < until) {
            if (check(PQexecPrepared(db, "page", static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0)) != 51) {
                std::fprintf(stderr, "the page is not full: is the database filled?\n");
                std::exit(1);
            }
            ++done;
        }
        PQfinish(db);
    };
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < args.number("connections"); ++i) threads.emplace_back(work);
    for (auto& t : threads) t.join();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("{\"reads\": %zu, \"seconds\": %.3f, \"reads_per_s\": %.1f}\n", done.load(), took.count(),
                static_cast<double>(done) / took.count());
}
