// The limit of everything that speaks HTTP here: Beast on one I/O thread, a coroutine a connection, reads the whole body and
// answers 200.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "args.hpp"

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using net::ip::tcp;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<tcp, Executor>;
using Stream = beast::basic_stream<tcp, Executor>;

namespace {

net::awaitable<void> serve(Stream stream) {
    beast::flat_buffer buffer;
    boost::system::error_code error;
    while (!error) {
        http::request<http::string_body> request;
        stream.expires_after(std::chrono::seconds(30));
        co_await http::async_read(stream, buffer, request, net::redirect_error(net::use_awaitable, error));
        if (error) break;
        http::response<http::string_body> response(http::status::ok, request.version());
        response.set(http::field::content_type, "application/json");
        response.keep_alive(request.keep_alive());
        response.body() = R"({"success":true})";
        response.prepare_payload();
        co_await http::async_write(stream, response, net::redirect_error(net::use_awaitable, error));
        if (!response.keep_alive()) break;
    }
}

net::awaitable<void> accept(net::io_context& io, unsigned short port) {
    net::basic_socket_acceptor<tcp, Executor> acceptor(io, tcp::endpoint(net::ip::address_v4::loopback(), port));
    acceptor.listen(4096);
    for (;;) {
        boost::system::error_code error;
        Socket socket(io);
        co_await acceptor.async_accept(socket, net::redirect_error(net::use_awaitable, error));
        if (error) continue;
        socket.set_option(tcp::no_delay(true));
        Stream stream(std::move(socket));
        net::co_spawn(io, serve(std::move(stream)), net::detached);
    }
}

}  // namespace

int main(int argc, char** argv) {
    otto::bench::Args args(argc, argv, "port");
    net::io_context io(1);
    net::co_spawn(io, accept(io, static_cast<unsigned short>(args.number("port"))), net::detached);
    io.run();
}
