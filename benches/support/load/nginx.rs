//! nginx as a proxy that passes everything on, for scale: one worker, connections kept on both sides, nothing logged.

use super::{
    clock::Clock,
    proxy::{Proxy, Running},
};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time::sleep};

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts `nginx` from the `PATH`. Fails with the reason when it does not come up.
pub(crate) async fn nginx(backend: SocketAddr) -> Result<Proxy, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    let log = folder.path().join("log");
    let configuration = configuration(address, backend);
    let written = fs::write(folder.path().join("nginx.conf"), configuration).and_then(|()| File::create(&log));
    let child = Command::new("nginx")
        .arg("-p")
        .arg(folder.path())
        .args(["-c", "nginx.conf", "-e", "log"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(written.map_err(|error| error.to_string())?)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let id = child.id();
    let mut running = Running::Process { child, _folder: folder };
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if running.has_ended() || began.elapsed() > PATIENCE {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("it did not come up: {}", said.trim()));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(Proxy { name: "nginx", address, key: None, tls: None, clock: Clock::Process(id), running })
}

/// One process in the foreground, which keeps its files in its own folder, and bodies in memory.
fn configuration(address: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "daemon off; master_process off; worker_processes 1; pid pid; error_log log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests 1000000000; tcp_nodelay on;
    client_body_buffer_size 128k; client_max_body_size 1m;
    upstream backend {{ server {backend}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\";
            proxy_buffer_size 16k; proxy_buffers 8 16k;
        }}
    }}
}}
"
    )
}
