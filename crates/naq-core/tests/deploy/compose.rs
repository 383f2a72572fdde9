//! docker/docker-compose.yml: what starts without a profile, and that files, images, ports and options of
//! `naq` are there as it names them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{dockerfile, has_default, has_word, help, is_version, read, root};

const FILE: &str = "docker/docker-compose.yml";

/// One service, as the file defines it.
struct Service {
    name: String,
    definition: Value,
}

impl Service {
    /// The strings of a list; none where the service has no such list.
    fn list(&self, key: &str) -> Vec<&str> {
        let items = self.definition[key].as_array().map_or(&[][..], Vec::as_slice);
        items.iter().map(|item| item.as_str().expect("a string")).collect()
    }

    /// The names of a mapping; none where the service has no such mapping.
    fn names(&self, key: &str) -> Vec<&str> {
        self.definition[key]
            .as_object()
            .map_or_else(Vec::new, |it| it.keys().map(|k| &**k).collect())
    }

    fn text(&self, key: &str) -> &str {
        self.definition[key].as_str().unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    /// Is it built from our own Dockerfile, so that `naq` runs in it?
    fn is_ours(&self) -> bool {
        self.definition["build"].is_object()
    }

    /// The text after an option of its command.
    fn option(&self, name: &str) -> Option<&str> {
        let command = self.list("command");
        let at = command.iter().position(|word| *word == name)?;
        command.get(at + 1).copied()
    }
}

fn file() -> Value {
    serde_saphyr::from_str(&read(FILE)).unwrap_or_else(|err| panic!("{FILE}: {err}"))
}

fn services() -> Vec<Service> {
    let file = file();
    let services = file["services"].as_object().expect("services");
    let services = services.iter().map(|(name, it)| (name.clone(), it.clone()));
    services.map(|(name, definition)| Service { name, definition }).collect()
}

fn service(name: &str) -> Service {
    services().into_iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no service {name}"))
}

/// The services that start with this profile, with those that have no profile.
fn of_profile(profile: &str) -> BTreeSet<String> {
    let services = services().into_iter().filter(|it| it.list("profiles").contains(&profile));
    services.map(|it| it.name).collect()
}

/// A published port: on this machine, and in the container.
fn published(service: &Service) -> Vec<(u16, u16)> {
    let ports = service.list("ports").into_iter();
    let number = |text: &str| text.parse().unwrap_or_else(|err| panic!("{text}: {err}"));
    ports
        .map(|port| {
            let parts: Vec<_> = port.split(':').collect();
            assert_eq!((parts.len(), parts[0]), (3, "127.0.0.1"), "{port}: on loopback alone");
            (number(parts[1]), number(parts[2]))
        })
        .collect()
}

/// The value of a setting in nats.conf.
fn nats_setting(key: &str) -> String {
    let text = read("deploy/nats/nats.conf");
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("nats.conf has no {key}")).to_owned()
}

#[test]
fn without_a_profile_the_broker_starts_alone_and_all_starts_the_rest() {
    let services = services();
    let always = services.iter().filter(|it| it.list("profiles").is_empty());
    assert_eq!(always.map(|it| &*it.name).collect::<Vec<_>>(), ["nats"]);
    let all = of_profile("all");
    assert_eq!(all, ["dashboard", "grafana", "prometheus", "worker"].map(str::to_owned).into());
    assert_eq!(of_profile("handlers"), ["handlers".to_owned()].into());
    // It does not start without a file of keys, which an operator makes first.
    assert_eq!(of_profile("gateway"), ["gateway".to_owned()].into());
    for service in services {
        for needed in service.names("depends_on") {
            assert_eq!(needed, "nats", "{} needs what may not be started", service.name);
        }
    }
}

#[test]
fn the_broker_has_jetstream_in_a_named_volume_and_says_when_it_is_ready() {
    assert!(read("deploy/nats/nats.conf").contains("\njetstream {"));
    let nats = service("nats");
    let store = format!(":{}", nats_setting("store_dir"));
    let volume = nats.list("volumes").into_iter().find_map(|it| it.strip_suffix(&*store));
    let volume = volume.expect("a volume where the streams are stored");
    assert!(file()["volumes"].as_object().expect("volumes").contains_key(volume), "{volume}");
    let health = nats.definition["healthcheck"]["test"].as_array().expect("a health check");
    let asked = health.last().and_then(Value::as_str).expect("an address");
    assert_eq!(asked, format!("http://127.0.0.1:{}/healthz", nats_setting("http_port")));
    let conf = nats.option("--config").expect("a configuration");
    assert!(nats.list("volumes").contains(&&*format!("../deploy/nats/nats.conf:{conf}:ro")));
}

#[test]
fn a_worker_with_handlers_that_are_not_rust_finds_them_in_its_working_directory() {
    let handlers = service("handlers");
    let command = ["worker", "default", "retry_queue", "--log-level", "DEBUG"];
    assert_eq!(handlers.list("command"), command);
    let place = format!(":{}:ro", handlers.text("working_dir"));
    let folder = handlers.list("volumes").into_iter().find_map(|it| it.strip_suffix(&*place));
    let folder = root().join("docker").join(folder.expect("a mounted folder"));
    assert!(folder.join("naq.toml").is_file(), "{}", folder.display());
}

#[test]
fn images_are_pinned_and_the_broker_is_the_one_that_the_tests_run_against() {
    for service in services().iter().filter(|it| !it.is_ours()) {
        let image = service.text("image");
        let (_, tag) = image.split_once(':').unwrap_or((image, ""));
        assert!(is_version(tag), "{image} may be another image tomorrow");
    }
    let script = read("scripts/nats-server");
    let tested = script.lines().find_map(|line| line.strip_prefix("pinned=")).expect("a version");
    assert_eq!(service("nats").text("image"), format!("nats:{tested}-alpine"));
}

#[test]
fn what_is_built_and_mounted_exists() {
    let declared = file()["volumes"].clone();
    for service in services() {
        if service.is_ours() {
            let build = &service.definition["build"];
            assert_eq!(
                (&build["context"], &build["dockerfile"]),
                (&"..".into(), &"docker/Dockerfile".into())
            );
            if let Some(target) = build["target"].as_str() {
                assert!(dockerfile::stages().iter().any(|stage| stage == target), "{target}");
            }
        }
        for mount in service.list("volumes") {
            let (source, rest) = mount.split_once(':').expect("a source");
            if source.starts_with('.') {
                assert!(root().join("docker").join(source).exists(), "{mount}");
                assert!(
                    rest.ends_with(":ro"),
                    "{mount}: a container must not change the repository"
                );
            } else {
                assert!(declared.as_object().expect("volumes").contains_key(source), "{mount}");
            }
        }
    }
}

#[test]
fn published_ports_are_those_that_the_programs_listen_on() {
    let port = |key| nats_setting(key).parse().expect("a port");
    let same = |port: u16| (port, port);
    assert_eq!(published(&service("nats")), [same(port("port")), same(port("http_port"))]);
    for (name, variable) in [("dashboard", "NAQ_DASHBOARD_PORT"), ("gateway", "NAQ_GATEWAY_PORT")] {
        let ports = published(&service(name));
        assert_eq!(ports.len(), 1, "{name}");
        let (outside, inside) = ports[0];
        assert_eq!(outside, inside);
        assert!(has_default(&help(name), variable, inside), "{name} listens on another port");
    }
}

#[test]
fn the_readme_lists_the_published_ports_and_no_others() {
    let published: BTreeSet<_> =
        services().iter().flat_map(published).map(|(outside, _)| outside).collect();
    let readme = read("docker/README.md");
    let named = readme.split("localhost:").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<u16>().expect("a port")
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), published);
}

#[test]
fn commands_and_settings_are_those_of_naq() {
    let mut options = 0;
    for service in services().iter().filter(|it| it.is_ours()) {
        let command = service.list("command");
        // A service without a command is the command line itself. Its settings are those of all commands.
        let help = help(command.first().unwrap_or(&"doctor"));
        for option in command.iter().filter(|word| word.starts_with("--")) {
            assert!(has_word(&help, option), "naq {} has no {option}", command[0]);
            options += 1;
        }
        for variable in service.names("environment") {
            assert!(has_word(&help, variable), "naq {command:?} does not read {variable}");
        }
    }
    assert!(options >= 5, "{options}");
}

#[test]
fn a_stopped_worker_has_time_to_finish_its_jobs() {
    for service in services().iter().filter(|it| it.is_ours()) {
        assert_eq!(service.definition["init"], true, "{}: SIGTERM must not be lost", service.name);
    }
    let duration = |text: &str| humantime::parse_duration(text).expect("a duration");
    let worker = service("worker");
    let drain = duration(worker.option("--shutdown-timeout").expect("a timeout"));
    assert!(duration(worker.text("stop_grace_period")) > drain);
}

#[test]
fn prometheus_and_grafana_ask_the_services_where_they_listen() {
    let scrape: Value =
        serde_saphyr::from_str(&read("deploy/prometheus/prometheus.yml")).expect("YAML");
    let jobs = scrape["scrape_configs"].as_array().expect("jobs");
    let job = |name: &str| jobs.iter().find(|job| job["job_name"] == name).expect("a job");

    let workers = &job("naq-worker")["dns_sd_configs"][0];
    assert_eq!(workers["names"][0], "worker");
    let metrics = service("worker").definition["environment"]["NAQ_METRICS"].clone();
    let (host, port) = metrics.as_str().and_then(|it| it.split_once(':')).expect("an address");
    assert_eq!((host, &*workers["port"].to_string()), ("0.0.0.0", port));

    let dashboard = service("dashboard");
    let name = dashboard.option("--public-host").expect("a host name");
    assert_eq!(name, dashboard.name, "Prometheus asks for the service by its name");
    let target = format!("{name}:{}", published(&dashboard)[0].1);
    assert_eq!(job("naq-dashboard")["static_configs"][0]["targets"][0], target);

    let source = read("deploy/grafana/provisioning/datasources/prometheus.yml");
    let port = published(&service("prometheus"))[0].1;
    assert!(source.contains(&format!("url: http://prometheus:{port}\n")), "{source}");
    let home =
        &service("grafana").definition["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    let mount = format!("../deploy/grafana/naq.json:{}:ro", home.as_str().expect("a path"));
    assert!(service("grafana").list("volumes").contains(&&*mount), "{mount}");
}
