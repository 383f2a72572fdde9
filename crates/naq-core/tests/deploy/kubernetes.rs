//! deploy/kubernetes/naq.yaml: its commands, options and settings are those of `naq`, its ports those that
//! the programs listen on, and what belongs together has the same names.

use std::time::Duration;

use serde_json::Value;

use crate::references::files;
use crate::{has_default, has_word, help, read, root};

const FILE: &str = "deploy/kubernetes/naq.yaml";

fn objects(kind: &str) -> Vec<Value> {
    let text = read(FILE);
    let objects = text.split("\n---\n").map(|object| {
        serde_saphyr::from_str::<Value>(object).unwrap_or_else(|err| panic!("{FILE}: {err}"))
    });
    let found: Vec<_> = objects.filter(|object| object["kind"] == kind).collect();
    assert!(!found.is_empty(), "{FILE} has no {kind}");
    found
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// The pod of a deployment, and its container.
fn pod(deployment: &Value) -> (&Value, &Value) {
    let pod = &deployment["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 1, "{}", name(deployment));
    (pod, &containers[0])
}

fn args(container: &Value) -> Vec<&str> {
    let args = container["args"].as_array().expect("arguments");
    args.iter().map(|arg| arg.as_str().expect("a text")).collect()
}

/// Does an option of `naq` read this variable? The short help leaves out some of those that all commands have.
fn is_read(variable: &str) -> bool {
    let sources = files(&root().join("crates/naq-cli/src")).into_iter();
    let name = format!("\"{variable}\"");
    sources.map(std::fs::read_to_string).any(|text| text.is_ok_and(|text| text.contains(&name)))
}

#[test]
fn commands_options_and_settings_are_those_of_naq() {
    let settings = objects("ConfigMap").remove(0);
    let shared: Vec<_> = settings["data"].as_object().expect("settings").keys().collect();
    for deployment in objects("Deployment") {
        let (_, container) = pod(&deployment);
        let args = args(container);
        let help = help(args[0]);
        for option in args.iter().filter(|arg| arg.starts_with("--")) {
            let option = option.split('=').next().expect("a name");
            assert!(has_word(&help, option), "naq {} has no {option}", args[0]);
        }
        let own = container["env"].as_array().map_or(&[][..], Vec::as_slice);
        let own = own.iter().map(|it| it["name"].as_str().expect("a name"));
        for variable in shared.iter().map(|it| it.as_str()).chain(own) {
            assert!(is_read(variable), "naq reads no {variable}");
        }
    }
}

#[test]
fn a_service_and_its_deployment_have_the_port_that_naq_listens_on() {
    for service in objects("Service") {
        let deployments = objects("Deployment");
        let selected = &service["spec"]["selector"];
        let labels = |it: &&Value| &it["spec"]["template"]["metadata"]["labels"] == selected;
        let deployment = deployments.iter().find(labels).expect("the pods of the service");
        assert_eq!(name(deployment), name(&service));
        let (_, container) = pod(deployment);
        let port = &service["spec"]["ports"][0];
        assert_eq!(port["port"], container["ports"][0]["containerPort"]);
        assert_eq!(port["targetPort"], container["ports"][0]["name"]);
        let command = args(container)[0];
        let variable = format!("NAQ_{}_PORT", command.to_uppercase());
        let number = port["port"].as_u64().and_then(|it| it.try_into().ok()).expect("a port");
        assert!(has_default(&help(command), &variable, number), "naq {command}: {number}");
    }
}

#[test]
fn pods_have_time_to_end_and_few_rights() {
    for deployment in objects("Deployment") {
        let (pod, container) = pod(&deployment);
        let args = args(container);
        let drain = args.iter().position(|arg| *arg == "--shutdown-timeout");
        if let Some(at) = drain {
            let drain = humantime::parse_duration(args[at + 1]).expect("a duration");
            let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("a grace period");
            assert!(Duration::from_secs(grace) > drain, "{}", name(&deployment));
        }
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{}", name(&deployment));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        for probe in ["livenessProbe", "readinessProbe"] {
            assert!(container[probe]["httpGet"].is_object(), "{}: no {probe}", name(&deployment));
        }
    }
}

#[test]
fn files_that_are_named_are_mounted() {
    let settings = objects("ConfigMap").remove(0);
    let credentials = settings["data"]["NAQ_NATS_CREDS"].as_str().expect("a path").to_owned();
    for deployment in objects("Deployment") {
        let (pod, container) = pod(&deployment);
        let mounted = container["volumeMounts"][0]["mountPath"].as_str().expect("a path");
        let keys = args(container).into_iter().filter_map(|arg| arg.strip_prefix("--keys="));
        for file in keys.chain([&*credentials]) {
            assert!(file.starts_with(&format!("{mounted}/")), "{}: {file}", name(&deployment));
        }
        let secret = pod["volumes"][0]["secret"]["secretName"].as_str().expect("a secret");
        let made = format!("create secret generic {secret} ");
        assert!(read(FILE).contains(&made), "{FILE} does not say how to make {secret}");
    }
}
