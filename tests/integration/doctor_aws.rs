//! `cache-api doctor --aws` as the real binary, against servers that stand in for AWS: deployments as the template makes them, and
//! each fault of theirs.

use aws_sdk_efs::types::{CreationInfo, LifecyclePolicy, PosixUser, RootDirectory, ThroughputMode, TransitionToIaRules};
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, Event, EventBridgeConfiguration, FilterRule, FilterRuleName, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, VersioningConfiguration,
};
use http::Method;

use crate::doctor::Examined;
use crate::support::aws::{ministack, moto};
use crate::support::client::send;
use crate::support::iam::{as_in_the_template, iam};
use crate::support::seaweed::{KEYS, KeyPair, POWERLESS_KEYS, sdk_config, seaweed};
use crate::support::serve::{run_to_end, vars};

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:events";

/// A bucket whose objects are below `prod/`, and the settings of who serves it.
struct Deployment {
    bucket: String,
    s3: aws_sdk_s3::Client,
    settings: Vec<(&'static str, String)>,
}

/// Which file system is made.
#[derive(Clone, Copy)]
enum FileSystem {
    /// As the template makes it.
    Good,
    /// Not encrypted, backed up, emptied into Infrequent Access, and with one mount target for two subnets.
    Faulty,
}

impl Deployment {
    /// A bucket with versions and an object at `endpoint`, and no file system.
    async fn bucket(endpoint: &str, bucket: &str) -> Self {
        let config = Builder::from(&sdk_config(KEYS)).endpoint_url(endpoint).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(config);
        s3.create_bucket().bucket(bucket).send().await.unwrap();
        let body = ByteStream::from_static(b"a,b\n1,2\n");
        let deployment = Self { bucket: bucket.to_owned(), s3, settings: Vec::new() };
        deployment.version(BucketVersioningStatus::Enabled).await;
        deployment.s3.put_object().bucket(bucket).key("prod/a.csv").body(body).send().await.unwrap();
        deployment
            .with("AWS_ENDPOINT_URL", endpoint)
            .with("AWS_REGION", "us-east-1")
            .with("AWS_BUCKET_NAME", bucket)
            .with("AWS_DATA_DIR", "prod")
            .with("CACHE_API_QUEUE_ARN", QUEUE)
            // Their faults are tests/integration/doctor_roles.rs's.
            .with("AWS_ENDPOINT_URL_IAM", &iam(as_in_the_template).await)
            .with("CACHE_API_ROLE_ARN", "arn:aws:iam::123456789012:role/api")
            .with("CACHE_API_REFRESH_ROLE_ARN", "arn:aws:iam::123456789012:role/refresh")
    }

    /// The same at moto, with events and a file system.
    async fn whole(bucket: &str, kind: FileSystem) -> Self {
        let endpoint = moto().await.endpoint();
        let deployment = Self::bucket(&endpoint, bucket).await;
        deployment.notify(Some(route(None))).await;
        let efs =
            aws_sdk_efs::Client::from_conf(aws_sdk_efs::config::Builder::from(&sdk_config(KEYS)).endpoint_url(&endpoint).build());
        let is_good = matches!(kind, FileSystem::Good);
        let made = efs.create_file_system().creation_token(bucket).throughput_mode(ThroughputMode::Elastic);
        let made = made.encrypted(is_good).backup(!is_good).send().await.unwrap();
        let subnets = subnets().await;
        for subnet in &subnets[..if is_good { 2 } else { 1 }] {
            efs.create_mount_target().file_system_id(&made.file_system_id).subnet_id(subnet).send().await.unwrap();
        }
        if !is_good {
            let policy = LifecyclePolicy::builder().transition_to_ia(TransitionToIaRules::After30Days).build();
            let put = efs.put_lifecycle_configuration().file_system_id(&made.file_system_id).lifecycle_policies(policy);
            put.send().await.unwrap();
        }
        let owner = CreationInfo::builder().owner_uid(1000).owner_gid(1000).permissions("750").build().unwrap();
        let root = RootDirectory::builder().path("/cache").creation_info(owner).build();
        let point = efs.create_access_point().client_token(bucket).file_system_id(&made.file_system_id).root_directory(root);
        let point = point.posix_user(PosixUser::builder().uid(1000).gid(1000).build().unwrap()).send().await.unwrap();
        deployment
            .with("CACHE_API_FILE_SYSTEM_ID", &made.file_system_id)
            .with("CACHE_API_ACCESS_POINT_ID", point.access_point_id().unwrap())
            .with("CACHE_API_SUBNET_IDS", &subnets[..2].join(","))
    }

    /// Sets what was not set, or was set otherwise.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    async fn version(&self, status: BucketVersioningStatus) {
        let versioning = VersioningConfiguration::builder().status(status).build();
        let put = self.s3.put_bucket_versioning().bucket(&self.bucket).versioning_configuration(versioning);
        put.send().await.unwrap();
    }

    async fn notify(&self, route: Option<QueueConfiguration>) {
        let routes = NotificationConfiguration::builder().set_queue_configurations(route.map(|route| vec![route])).build();
        self.put_notifications(routes).await;
    }

    async fn put_notifications(&self, routes: NotificationConfiguration) {
        let put = self.s3.put_bucket_notification_configuration().bucket(&self.bucket).notification_configuration(routes);
        put.skip_destination_validation(true).send().await.unwrap();
    }

    async fn examine(&self) -> Examined {
        self.examine_as(KEYS).await
    }

    async fn examine_as(&self, (access_key, secret): KeyPair) -> Examined {
        let credentials = [("AWS_ACCESS_KEY_ID", access_key.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())];
        let end = run_to_end(&["doctor", "--aws", "--json"], vars([&self.settings[..], &credentials].concat())).await;
        assert!(!end.stdout.contains(secret) && !end.stderr.contains(secret), "{end:?}");
        Examined::of(&end)
    }
}

/// Tells the queue what is put and removed below `prod/`, of keys that end in `suffix`.
fn route(suffix: Option<&str>) -> QueueConfiguration {
    let rule = |name: FilterRuleName, value: &str| FilterRule::builder().name(name).value(value).build();
    let rules = [Some(rule(FilterRuleName::Prefix, "prod/")), suffix.map(|suffix| rule(FilterRuleName::Suffix, suffix))];
    let rules = S3KeyFilter::builder().set_filter_rules(Some(rules.into_iter().flatten().collect())).build();
    QueueConfiguration::builder()
        .queue_arn(QUEUE)
        .events(Event::S3ObjectCreated)
        .events(Event::S3ObjectRemoved)
        .filter(NotificationConfigurationFilter::builder().key(rules).build())
        .build()
        .unwrap()
}

/// Two of the subnets that moto's account begins with, each in a zone of its own.
async fn subnets() -> Vec<String> {
    let credential = "Credential=AKIAFIRST/20260101/us-east-1/ec2/aws4_request";
    let authorization = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization.as_str())];
    let asked = "Action=DescribeSubnets&Version=2016-11-15";
    let answer = send(moto().await.address(), Method::POST, "/", &headers, asked).await;
    let of = |text: &str| text.split_once("</subnetId>").map(|(id, _)| id.to_owned());
    let found: Vec<String> = answer.text().split("<subnetId>").skip(1).filter_map(of).take(2).collect();
    assert_eq!(found.len(), 2, "{}", answer.text());
    found
}

/// What is found of any bucket of moto's: it answers GetBucketVersioning with an element of another name than S3's, which the
/// SDK cannot read. SeaweedFS answers it below, and a table beside the code has the rest.
const OF_MOTO: (&str, &str) = ("warning", "versioning");

#[tokio::test]
async fn a_deployment_as_the_template_makes_it_is_found_sound() {
    let deployment = Deployment::whole("doctor-sound", FileSystem::Good).await;
    let found = deployment.examine().await;
    assert_eq!((found.blamed(), found.code), (vec![OF_MOTO], Some(0)), "{:?}", found.findings);
    for said in [
        "`prod/a.csv` can be read",
        "is answered 404",
        QUEUE,
        "all 2 are available",
        "role/api` has the ",
        "role/refresh` has the ",
    ] {
        assert!(found.says(said), "{said}: {:?}", found.findings);
    }
}

#[tokio::test]
async fn each_fault_of_a_bucket_and_its_events_is_one_finding() {
    let deployment = Deployment::whole("doctor-bucket", FileSystem::Good).await;
    deployment.notify(Some(route(Some(".csv")))).await;
    let found = deployment.examine().await;
    assert_eq!((found.blamed(), found.code), (vec![("warning", "events"), OF_MOTO], Some(0)), "{:?}", found.findings);
    assert!(found.says("only for keys that end in `.csv`"), "{:?}", found.findings);
    deployment.notify(None).await;
    let found = deployment.examine().await;
    assert_eq!((found.blamed(), found.code), (vec![("warning", "events"), OF_MOTO], Some(0)), "{:?}", found.findings);
    deployment.notify(Some(route(None))).await;
    let deployment = deployment.with("AWS_BUCKET_NAME", "doctor-no-such-bucket");
    let found = deployment.examine().await;
    assert_eq!((found.blamed(), found.code), (vec![("problem", "bucket")], Some(1)), "{:?}", found.findings);
    let alone = deployment.with("AWS_BUCKET_NAME", "doctor-bucket").with("LOCAL_DATA_DIR", "");
    assert_eq!(alone.examine().await.blamed(), [("warning", "events-reach"), OF_MOTO]);
}

#[tokio::test]
async fn each_fault_of_a_file_system_is_one_finding() {
    let deployment = Deployment::whole("doctor-file-system", FileSystem::Faulty).await;
    let found = deployment.examine().await;
    let expected =
        [("warning", "backup"), ("warning", "encryption"), ("warning", "lifecycle"), ("warning", "mount-targets"), OF_MOTO];
    assert_eq!((found.blamed(), found.code), (expected.to_vec(), Some(0)), "{:?}", found.findings);
    let found = deployment.with("CACHE_API_FILE_SYSTEM_ID", "fs-0123abcd").examine().await;
    let expected = [("problem", "access-point"), ("problem", "file-system"), OF_MOTO];
    assert_eq!((found.blamed(), found.code), (expected.to_vec(), Some(1)), "{:?}", found.findings);
    assert!(found.says("there is no `fs-0123abcd` here"), "{:?}", found.findings);
}

/// SeaweedFS checks who asks, as moto does not. It knows no notifications, which S3 does.
#[tokio::test]
async fn who_may_not_read_hears_which_permission_lacks() {
    let deployment = Deployment::bucket(&seaweed().await.endpoint(), "doctor-denied").await;
    let unset = [("warning", "access-point"), ("warning", "file-system")];
    let found = deployment.examine_as(POWERLESS_KEYS).await;
    let denied = [("problem", "absent-key"), ("problem", "listing")];
    assert_eq!(found.code, Some(1), "{:?}", found.findings);
    assert!(denied.iter().chain(&unset).all(|expected| found.blamed().contains(expected)), "{:?}", found.findings);
    assert!(found.says("s3:GetBucketVersioning is denied here"), "{:?}", found.findings);
    let found = deployment.examine().await;
    assert!(found.says("`prod/a.csv` can be read") && found.says("is answered 404"), "{:?}", found.findings);
    let (access_key, _) = KEYS;
    let found = deployment.examine_as((access_key, "another secret")).await;
    assert_eq!(found.blamed(), [("problem", "credentials"), unset[0], unset[1]], "{:?}", found.findings);
}

/// ministack remembers that EventBridge is on, as moto does not.
#[tokio::test]
async fn a_bucket_that_tells_event_bridge_has_its_events() {
    let deployment = Deployment::bucket(&ministack().await.endpoint(), "doctor-event-bridge").await;
    let unset = [("warning", "access-point"), ("warning", "file-system")];
    let found = deployment.examine().await;
    assert_eq!(found.blamed(), [unset[0], ("warning", "events"), unset[1]], "{:?}", found.findings);
    let bridge = EventBridgeConfiguration::builder().build();
    deployment.put_notifications(NotificationConfiguration::builder().event_bridge_configuration(bridge).build()).await;
    let found = deployment.examine().await;
    assert_eq!(found.blamed(), unset, "{:?}", found.findings);
    assert!(found.says("tells EventBridge"), "{:?}", found.findings);
}
