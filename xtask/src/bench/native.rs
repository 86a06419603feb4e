//! The native server: the least that an HTTP server in Rust does, as the measure for the others.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::Read;
use tokio::net::TcpListener;

/// Serves on a free port of loopback, prints its address, and ends when stdin does.
pub(crate) fn native_hello() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(async {
        if let Err(error) = accept().await {
            eprintln!("native-hello: {error}");
            std::process::exit(1);
        }
    });
    // Nobody writes here: the end comes with the process that started this one, however that ended.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn accept() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection that breaks is the client's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

/// Greets; what is posted goes back as it comes.
async fn answer(request: Request<Incoming>) -> Result<Response<Either<Full<Bytes>, Incoming>>, Infallible> {
    let body = match *request.method() {
        Method::POST => Either::Right(request.into_body()),
        _ => Either::Left(Full::new(Bytes::from_static(b"Hello from hyper!\n"))),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
