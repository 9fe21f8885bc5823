#pragma once
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace otto::http {

namespace net = boost::asio;
using net::ip::tcp;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<tcp, Executor>;
using boost::system::error_code;
/// Coroutines of the one kind of executor there is; the default one, of any kind, costs at every step.
template <class T>
using Task = net::awaitable<T, Executor>;
constexpr net::use_awaitable_t<Executor> use_task{};
/// What goes on with a coroutine that waits for something of ours.
using Resume = net::async_result<net::use_awaitable_t<Executor>, void()>::handler_type;
using Steady = std::chrono::steady_clock;
using Timer = net::basic_waitable_timer<Steady, net::wait_traits<Steady>, Executor>;

}  // namespace otto::http
