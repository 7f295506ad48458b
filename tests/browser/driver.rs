//! A browser, driven through chromedriver.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A session in a headless Chromium; it ends when this is dropped.
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page, or says loudly that there is no browser.
    pub fn open(url: &str) -> Option<Self> {
        match Self::start() {
            Ok(browser) => {
                browser.post("url", &json!({ "url": url }));
                Some(browser)
            }
            Err(missing) => {
                // Not by a macro: the test harness keeps what those print to itself.
                let text = format!(
                    "\n*** SKIPPED: the page was not tested in a browser: {missing}\n*** ./setup.sh \
                     --browser installs Debian's chromium and chromium-driver\n\n"
                );
                std::io::stderr().write_all(text.as_bytes()).unwrap();
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        for program in ["chromium", "chromedriver"] {
            let found = Command::new(program).arg("--version").output();
            found.map_err(|e| format!("{program} does not run: {e}"))?;
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(driver.stdout.take().unwrap());
        let port = output.lines().find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let profile = tempfile::tempdir().unwrap();
        let address = format!("http://127.0.0.1:{}/session", port.unwrap());
        let made = send(&address, &capabilities(&profile));
        let session = made["sessionId"].as_str().unwrap().to_owned();
        Ok(Self { driver, address, session, _profile: profile })
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        send(&format!("{}/{}/{command}", self.address, self.session), body)
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The same as a text.
    pub fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the first element of a selector, as a pointer does.
    pub fn click(&self, selector: &str) {
        self.post(&format!("element/{}/click", self.find(selector)), &json!({}));
    }

    fn find(&self, selector: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Presses keys one after the other, each by its code point of WebDriver.
    pub fn press(&self, keys: &[char]) {
        let stroke = |key: &char| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.iter().flat_map(stroke).collect();
        let keyboard = json!({ "type": "key", "id": "keys", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// Shows the page as for readers who have asked for light or dark.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let params = json!({ "features": features });
        self.post(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setEmulatedMedia", "params": params }),
        );
    }

    /// Types a text into the first element of a selector.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.post(&format!("element/{}/value", self.find(selector)), &json!({ "text": text }));
    }

    /// The files that the page saves go there.
    pub fn save_to(&self, folder: &Path) {
        let params = json!({ "behavior": "allow", "downloadPath": folder });
        self.post(
            "goog/cdp/execute",
            &json!({ "cmd": "Browser.setDownloadBehavior", "params": params }),
        );
    }

    /// Whether scripts of pages run, from the next page on.
    pub fn scripts(&self, run: bool) {
        let params = json!({ "value": !run });
        let cmd = "Emulation.setScriptExecutionDisabled";
        self.post("goog/cdp/execute", &json!({ "cmd": cmd, "params": params }));
    }

    /// What axe-core finds that is serious or critical; none where it is not there, which is said loudly.
    pub fn barriers(&self) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(path) else {
            let text = "\n*** SKIPPED: no axe-core; ./setup.sh --browser fetches it\n\n";
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return vec![];
        };
        self.run(&axe);
        let script = "const done = arguments[arguments.length - 1]; \
                      axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations\
                      .filter(v => ['serious', 'critical'].includes(v.impact))\
                      .map(v => `${v.id}: ${v.nodes.length} × ${v.nodes[0].html.slice(0, 200)}`)))";
        let found = self.post("execute/async", &json!({ "script": script, "args": [] }));
        found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// Goes to another page.
    pub fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Shows the page as it is printed (`print`) or on a screen (`screen`).
    pub fn medium(&self, medium: &str) {
        let params = json!({ "media": medium });
        self.post(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setEmulatedMedia", "params": params }),
        );
    }

    /// The page as a picture.
    pub fn screenshot(&self) -> Vec<u8> {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let cmd = json!({ "cmd": "Page.captureScreenshot", "params": params });
        let found = self.post("goog/cdp/execute", &cmd);
        STANDARD.decode(found["data"].as_str().unwrap()).unwrap()
    }

    /// Makes the window so wide, as a phone does.
    pub fn narrow(&self, width: u32) {
        let params =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        let command = "Emulation.setDeviceMetricsOverride";
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }));
    }

    /// What the console said, of whichever level.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that a page asked for; the browser's own first tab asks for others.
    pub fn requests(&self, page: &str) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "performance" }));
        let events = entries.as_array().unwrap().iter().map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()
        });
        let asked = events.filter(|e| e["message"]["method"] == "Network.requestWillBeSent");
        asked
            .map(|e| e["message"]["params"].clone())
            .filter(|request| request["documentURL"] == page)
            .map(|request| request["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = minreq::delete(format!("{}/{}", self.address, self.session)).send();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn capabilities(profile: &TempDir) -> Value {
    let folder = format!("--user-data-dir={}", profile.path().display());
    let arguments =
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &folder];
    let options = json!({ "args": arguments });
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs
    } } })
}

/// The value that chromedriver answers with.
fn send(url: &str, body: &Value) -> Value {
    let response = minreq::post(url)
        .with_header("Content-Type", "application/json")
        .with_body(body.to_string())
        .with_timeout(60)
        .send()
        .unwrap();
    let answer: Value = serde_json::from_str(response.as_str().unwrap()).unwrap();
    assert!(answer["value"]["error"].is_null(), "{url}: {answer}");
    answer["value"].clone()
}
